import type { Prepare } from './statements.js'

/** A row of `changes`: one change of a tree. */
export interface ChangeRow {
  readonly seq: number
  readonly at: number
  readonly kind: string
  readonly ino: number
  readonly directory: number | null
  readonly name: string | null
  readonly to_directory: number | null
  readonly to_name: string | null
  readonly other: number | null
  readonly origin: string | null
  /** By what name its origin knows it. */
  readonly change: string | null
  /** Of a change that has a name: the version that it made of its inode, unless that is new. */
  readonly version: number | null
}

/** Statements of the log of changes. */
export function changeStatements(row: Prepare) {
  const insertChange = row<(number | string | null)[], never>(
    'INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  )
  return {
    insertChange: {
      run: (tree: number, change: ChangeRow, gone: number | null): unknown =>
        insertChange.run(
          tree,
          change.seq,
          change.at,
          change.kind,
          change.ino,
          change.directory,
          change.name,
          change.to_directory,
          change.to_name,
          change.other,
          gone,
          change.origin,
          change.change,
          change.version,
        ),
    },
    changesAfter: row<[tree: number, seq: number, limit: number], ChangeRow>(
      'SELECT * FROM changes WHERE tree = ? AND seq > ? ORDER BY seq LIMIT ?',
    ),
    changeNamed: row<[origin: string, change: string, tree: number], { version: number | null }>(
      `SELECT version FROM changes WHERE origin = ? AND change = ? AND tree = ? AND kind <> 'make' LIMIT 1`,
    ),
    makeNamed: row<[tree: number, after: number, origin: string, change: string], { ino: number }>(
      `SELECT ino FROM changes WHERE tree = ? AND seq > ? AND kind = 'make' AND origin = ? AND change = ?
       ORDER BY seq DESC LIMIT 1`,
    ),
    oldestChange: row<[tree: number], { seq: number; at: number }>(
      'SELECT seq, at FROM changes WHERE tree = ? ORDER BY seq LIMIT 1',
    ),
    forgetChanges: row<[tree: number, seq: number], never>(
      'DELETE FROM changes WHERE tree = ? AND seq <= ?',
    ),
    wasHere: row<[ino: number, tree: number], { ino: number }>(
      'SELECT gone AS ino FROM changes WHERE gone = ? AND tree = ? LIMIT 1',
    ),
  }
}
