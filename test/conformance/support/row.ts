/** One row of the checklist is one test, titled with its id; a summary per RFC follows at the end. */
import { SIGNING_IN_MILLISECONDS } from '../../support/login.js'
import type { ClientName } from './clients.js'
import { Suite } from './suite.js'
import { summary, type Tally } from './summary.js'
import { target } from './target.js'

/** M: MUST-level, S: SHOULD, P: policy that the text leaves open, B: beyond. */
export type Level = 'M' | 'S' | 'P' | 'B'

export interface RowNeeds {
  /** Reaches into the server's data or clock: only on our own. */
  readonly inside?: true
  readonly clients?: readonly ClientName[]
  readonly timeout?: number
}

const tallies = new Map<string, Tally>()

export function row(
  id: string,
  level: Level,
  requirement: string,
  test: (suite: Suite) => Promise<void>,
  { inside, clients = ['fuse'], timeout = SIGNING_IN_MILLISECONDS }: RowNeeds = {},
): void {
  it(`${id} (${level}) ${requirement}`, async function () {
    this.timeout(timeout)
    const tally = tallies.get(family(id)) ?? { proved: 0, failed: 0, outside: [], unable: [] }
    tallies.set(family(id), tally)
    const at = await target().catch((error: unknown) => {
      tally.failed++
      throw error
    })
    const missing = clients.filter((name) => at.clients[name] === undefined)
    if (inside && at.inside === undefined) {
      tally.outside.push(id)
      this.skip()
    }
    if (missing.length > 0) {
      tally.unable.push({ id, missing })
      this.skip()
    }
    try {
      await test(new Suite(at))
      tally.proved++
    } catch (error) {
      tally.failed++
      throw error
    }
  })
}

/** rfc6749-2.3-1 → rfc6749 */
function family(id: string): string {
  return id.split('-')[0] ?? id
}

after('every row that runs on this target has run', () => {
  if (summary(tallies).isWhole || process.env.COFFER_CONFORMANCE_PARTIAL === 'yes') return
  throw new Error(
    'many rows did not run: see docs/conformance.md for what the target must have (COFFER_CONFORMANCE_PARTIAL=yes takes it as it is)',
  )
})

process.on('exit', () => {
  if (tallies.size > 0) process.stderr.write(`${summary(tallies).lines.join('\n')}\n`)
})
