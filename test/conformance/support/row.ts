/** One row of the checklist is one test, titled with its id; a summary per RFC follows at the end. */
import type { ClientName } from './clients.js'
import { Suite } from './suite.js'
import { target } from './target.js'

/** M: MUST-level, S: SHOULD, P: policy that the text leaves open, B: beyond. */
export type Level = 'M' | 'S' | 'P' | 'B'

export interface RowNeeds {
  /** Reaches into the server's data or clock: only on our own. */
  readonly inside?: true
  readonly clients?: readonly ClientName[]
  readonly timeout?: number
}

const results = new Map<string, { passed: number; failed: number; skipped: number }>()

export function row(
  id: string,
  level: Level,
  requirement: string,
  test: (suite: Suite) => Promise<void>,
  { inside, clients = ['fuse'], timeout = 60_000 }: RowNeeds = {},
): void {
  it(`${id} (${level}) ${requirement}`, async function () {
    this.timeout(timeout)
    const at = await target()
    const result = results.get(family(id)) ?? { passed: 0, failed: 0, skipped: 0 }
    results.set(family(id), result)
    const missing = clients.filter((name) => at.clients[name] === undefined)
    if ((inside && at.inside === undefined) || missing.length > 0) {
      result.skipped++
      const why = missing.length > 0 ? `no client ${missing.join(', ')}` : 'only on our own server'
      process.stderr.write(`SKIPPED: ${id}: ${why}\n`)
      this.skip()
    }
    try {
      await test(new Suite(at))
      result.passed++
    } catch (error) {
      result.failed++
      throw error
    }
  })
}

/** rfc6749-2.3-1 → rfc6749 */
function family(id: string): string {
  return id.split('-')[0] ?? id
}

process.on('exit', () => {
  for (const [name, { passed, failed, skipped }] of [...results].sort()) {
    process.stderr.write(
      `${name.padEnd(10)} ${passed} passed, ${failed} failed, ${skipped} skipped\n`,
    )
  }
})
