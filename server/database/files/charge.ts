import type { Prepare } from './statements.js'
import type { TreeRow } from './trees.js'

/** What a tree has come to use, and may. */
export type Charged = Omit<TreeRow, 'id' | 'owner' | 'root'>

type Values = readonly [number, number, number, number, number | null, number | null]

/** Rows come as arrays, for the reason that inode-rows.ts has. */
function toCharged(values: Values): Charged {
  return {
    seq: values[0],
    bytes: values[1],
    inodes: values[2],
    links: values[3],
    max_bytes: values[4],
    max_inodes: values[5],
  }
}

/** Counts what a change uses or frees, and numbers it. The driver gives numbers as floating ones, whose sums are not exact beyond 2^53. */
export function chargeStatement(row: Prepare) {
  const charge = row<
    [bytes: number, inodes: number, links: number, changes: 0 | 1, tree: number],
    Values
  >(
    `UPDATE trees SET bytes = bytes + CAST(? AS INTEGER), inodes = inodes + ?, links = links + ?, seq = seq + ? WHERE id = ?
     RETURNING seq, bytes, inodes, links, max_bytes, max_inodes`,
  ).raw(true)
  return {
    charge: {
      get(
        bytes: number,
        inodes: number,
        links: number,
        changes: 0 | 1,
        tree: number,
      ): Charged | undefined {
        const values = charge.get(bytes, inodes, links, changes, tree)
        return values === undefined ? undefined : toCharged(values)
      },
    },
  }
}
