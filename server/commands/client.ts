import { type Command, InvalidArgumentError, Option } from 'commander'
import { CLIENT_AUTH_METHODS, GRANT_TYPES, registerClient } from '../../oauth/index.js'
import { BUILT_IN_CLIENT } from '../bootstrap.js'
import { messageOf } from '../error-of.js'
import { RESOURCE_SCOPES } from '../scopes.js'
import { atWorkbench, type CommandLine, table } from './workbench.js'

interface AddOptions {
  name?: string
  type?: string
  auth?: string
  redirectUri?: string[]
  postLogoutRedirectUri?: string[]
  grant?: string[]
  scope?: string
  dpop?: true
  par?: true
  fapi?: true
  introspects?: true
  metadata?: true
}

const several = (value: string, before: string[] = []): string[] => [...before, value]

/** client add | list | remove */
export function clientCommands(program: Command, line: CommandLine): void {
  const client = program.command('client').description('which applications may ask for access')

  client
    .command('add [name]')
    .description('register an application; its secret, if it has one, is shown once')
    .addOption(new Option('--type <type>', 'what it is (default: web)').choices(['native', 'web']))
    .addOption(new Option('--auth <method>', 'how it authenticates').choices(CLIENT_AUTH_METHODS))
    .option('--redirect-uri <uri>', 'where answers go; may be repeated', several)
    .option('--post-logout-redirect-uri <uri>', 'where a logout may lead; may be repeated', several)
    .option('--grant <type>', `${GRANT_TYPES.join(', ')}; may be repeated`, grants)
    .option('--scope <scopes>', 'what it may ask for, separated by spaces')
    .option('--dpop', 'takes only tokens bound to a key (RFC 9449)')
    .option('--par', 'takes only pushed authorization requests (RFC 9126)')
    .option('--fapi', 'is held to the FAPI 2.0 Security Profile')
    .option('--introspects', 'is a resource server that may introspect tokens of others')
    .option('--metadata', 'read client metadata (RFC 7591) as JSON from standard input as well')
    .action(async (name: string | undefined, options: AddOptions) =>
      atWorkbench(line, async ({ store, accounts, audit }) => {
        const read = options.metadata ? metadataIn(await line.readInput()) : {}
        const registry = { store, accounts, scopes: RESOURCE_SCOPES, clock: line.clock }
        const { client: made, client_secret } = await registerClient(registry, {
          ...read,
          ...metadataOf(name, options),
        }).catch(withFlags)
        const { client_id } = made
        audit.append({ event: 'client.add', outcome: 'success', client_id })
        line.print(`client_id      ${client_id}`)
        if (client_secret !== undefined) {
          line.print(`client_secret  ${client_secret} (shown only this once)`)
        }
      }),
    )

  client
    .command('list')
    .description('list the applications')
    .action(async () =>
      atWorkbench(line, async ({ store }) => {
        const rows = (await store.clients()).map((each) => [
          each.client_id,
          each.client_name,
          each.token_endpoint_auth_method === 'none' ? 'public' : each.token_endpoint_auth_method,
          each.scope,
        ])
        line.print(table(['CLIENT ID', 'NAME', 'AUTHENTICATION', 'SCOPE'], rows))
      }),
    )

  client
    .command('remove <client_id>')
    .description('remove an application; everything granted to it is revoked')
    .action(async (client_id: string) =>
      atWorkbench(line, async ({ store, audit }) => {
        if (client_id === BUILT_IN_CLIENT) {
          throw new Error(
            `${client_id} is the client of coffer's own mounts, which every start makes again: "coffer-server user disable" and "user passwd" sign somebody out`,
          )
        }
        if (!(await store.removeClient(client_id, line.clock().getTime()))) {
          throw new Error(`there is no client ${client_id}: "coffer-server client list" shows all`)
        }
        audit.append({ event: 'client.remove', outcome: 'success', client_id })
        line.print(`Removed ${client_id}. Its tokens are worth nothing from now on.`)
      }),
    )
}

function grants(value: string, before?: string[]): string[] {
  if (GRANT_TYPES.some((type) => type === value)) return several(value, before)
  throw new InvalidArgumentError(`Allowed choices are ${GRANT_TYPES.join(', ')}.`)
}

/** The flags that go by another name than the members of the metadata that they set. */
const FLAG_OF_MEMBER: Readonly<Record<string, string>> = {
  application_type: '--type',
  token_endpoint_auth_method: '--auth',
  redirect_uris: '--redirect-uri',
  post_logout_redirect_uris: '--post-logout-redirect-uri',
  grant_types: '--grant',
  jwks: '--metadata',
}

/** @throws what is wrong with a member, with the flag to set it by */
function withFlags(cause: unknown): never {
  const message = messageOf(cause)
  const [member = ''] = message.split(':', 1)
  const flag = FLAG_OF_MEMBER[member]
  if (flag === undefined) throw cause
  throw new Error(message.replace(member, `${member} (${flag})`), { cause })
}

function metadataIn(input: string): object {
  try {
    const read: unknown = JSON.parse(input)
    if (typeof read === 'object' && read !== null && !Array.isArray(read)) return read
  } catch {
    // told below
  }
  throw new Error('--metadata must be given one object in JSON on standard input')
}

/** The flags as metadata of RFC 7591 section 2; what was not given is left to its default. */
function metadataOf(name: string | undefined, options: AddOptions): object {
  const metadata = {
    client_name: name,
    application_type: options.type,
    token_endpoint_auth_method: options.auth,
    redirect_uris: options.redirectUri,
    post_logout_redirect_uris: options.postLogoutRedirectUri,
    grant_types: options.grant,
    scope: options.scope,
    dpop_bound_access_tokens: options.dpop,
    require_pushed_authorization_requests: options.par,
    fapi: options.fapi,
    introspects: options.introspects,
  }
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined))
}
