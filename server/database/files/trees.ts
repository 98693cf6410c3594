import type { Prepare } from './statements.js'

/** A row of `trees`: one user's files, what they use, and what they may. */
export interface TreeRow {
  readonly id: number
  readonly owner: string
  readonly root: number
  readonly bytes: number
  readonly inodes: number
  readonly links: number
  readonly max_bytes: number | null
  readonly max_inodes: number | null
  readonly seq: number
}

/** Statements of trees; what they use is counted by charge.ts. */
export function treeStatements(row: Prepare) {
  return {
    tree: row<[owner: string], TreeRow>('SELECT * FROM trees WHERE owner = ?'),
    treeById: row<[id: number], TreeRow>('SELECT * FROM trees WHERE id = ?'),
    treesAfter: row<[id: number, limit: number], TreeRow>(
      'SELECT * FROM trees WHERE id > ? ORDER BY id LIMIT ?',
    ),
    insertTree: row<[owner: string, root: number], { id: number }>(
      'INSERT INTO trees (owner, root, inodes) VALUES (?, ?, 1) RETURNING id',
    ),
    setQuota: row<[max_bytes: number | null, max_inodes: number | null, id: number], never>(
      'UPDATE trees SET max_bytes = ?, max_inodes = ? WHERE id = ?',
    ),
  }
}
