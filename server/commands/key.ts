import type { Command } from 'commander'
import { DEFAULT_LIFETIMES, keyStatus, rotateLocalKeys } from '../../oauth/index.js'
import { atWorkbench, type CommandLine, table } from './workbench.js'

/** key list | rotate */
export function keyCommands(program: Command, line: CommandLine): void {
  const key = program
    .command('key')
    .description('the keys that sign tokens; they rotate by themselves')

  key
    .command('list')
    .description('list the signing keys')
    .action(async () =>
      atWorkbench(line, async ({ store }) => {
        const keys = await store.signingKeys()
        const now = line.clock().getTime()
        const rows = keys.map((each) => [
          each.kid,
          each.alg,
          keyStatus(each, keys, now),
          new Date(each.createdAt).toISOString(),
          new Date(each.activeAt).toISOString(),
        ])
        line.print(table(['KEY ID', 'ALG', 'STATE', 'PUBLISHED', 'SIGNS FROM'], rows))
      }),
    )

  key
    .command('rotate')
    .description('publish new keys now; they sign once every client can know them')
    .action(async () =>
      atWorkbench(line, async ({ store, secret, audit }) => {
        const made = await rotateLocalKeys({
          store,
          secret: secret.derive('oauth'),
          clock: line.clock,
          lifetimes: DEFAULT_LIFETIMES,
          audit: ({ type, outcome, detail }) => audit.append({ event: type, outcome, detail }),
        })
        for (const { kid, alg, activeAt } of made) {
          line.print(`${alg} ${kid} signs from ${new Date(activeAt).toISOString()}`)
        }
      }),
    )
}
