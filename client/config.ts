import { join, resolve } from 'node:path'
import { CommandError } from './command-error.js'
import { messageOf } from './error-of.js'

/** What the environment says; flags come on top of it, command by command. */
export interface ClientConfig {
  readonly server: URL
  /** File with the certificate authority to trust (PEM). */
  readonly ca: string | undefined
  readonly configDirectory: string
  readonly stateDirectory: string
  readonly tokenStore: TokenStoreChoice
}

const TOKEN_STORES = ['auto', 'keyring', 'file'] as const
export type TokenStoreChoice = (typeof TOKEN_STORES)[number]

export type Environment = Readonly<Record<string, string | undefined>>

const DEFAULT_SERVER = 'https://localhost:8443'

/** @throws CommandError that names every bad variable */
export function clientConfig(environment: Environment, home: string): ClientConfig {
  const problems: string[] = []
  const setting = <T>(name: string, parse: (value: string) => T, otherwise: string): T => {
    try {
      return parse(environment[name] || otherwise)
    } catch (cause) {
      problems.push(`${name}: ${messageOf(cause)}`)
      return parse(otherwise)
    }
  }
  const base = (name: string, otherwise: string): string =>
    join(environment[name] || join(home, otherwise), 'coffer')
  const config = Object.freeze({
    server: setting('COFFER_SERVER', serverUrl, DEFAULT_SERVER),
    ca: environment.COFFER_CA ? resolve(environment.COFFER_CA) : undefined,
    configDirectory: resolve(environment.COFFER_CONFIG_DIR || base('XDG_CONFIG_HOME', '.config')),
    stateDirectory: resolve(environment.COFFER_STATE_DIR || base('XDG_STATE_HOME', '.local/state')),
    tokenStore: setting('COFFER_TOKEN_STORE', tokenStoreChoice, 'auto'),
  })
  if (problems.length > 0) throw new CommandError(problems.join('\n'))
  return config
}

/** The server's URL as users write it: a bare host means https. */
export function serverUrl(input: string): URL {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(input) ? input : `https://${input}`
  if (!URL.canParse(text)) {
    throw new CommandError(`"${input}" is not a URL; write it like https://files.example.org`)
  }
  const url = new URL(text)
  if (url.protocol !== 'https:') {
    throw new CommandError(
      `Coffer speaks https only, not ${url.protocol.slice(0, -1)}; write ${input.replace(/^[a-z]+:/i, 'https:')}`,
    )
  }
  if (url.username !== '' || url.password !== '') {
    throw new CommandError(
      'a server URL must not contain a user name or password; you log in in the browser',
    )
  }
  url.hash = ''
  url.search = ''
  return url
}

function tokenStoreChoice(input: string): TokenStoreChoice {
  const choice = TOKEN_STORES.find((known) => known === input)
  if (choice === undefined) throw new Error(`must be one of ${TOKEN_STORES.join(', ')}`)
  return choice
}

/** Whether a host name can only mean this machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
