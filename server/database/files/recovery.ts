import type { Prepare } from './statements.js'

/** A row of `undo`: what stood in a file before bytes were written over it. */
export interface UndoRow {
  readonly id: number
  readonly ino: number
  readonly generation: number
  readonly position: number
  readonly length: number
  readonly data: Buffer | null
  readonly spool: number | null
  readonly spool_position: number | null
}

/** Statements of what a later run of the server needs: contents that are held, inodes kept without a name, and what is to be undone. */
export function recoveryStatements(row: Prepare) {
  return {
    held: row<[generation: number, now: number], { id: number }>(
      'SELECT id FROM holds WHERE generation > ? AND until > ? LIMIT 1',
    ),
    insertHold: row<[until: number], { id: number; generation: number }>(
      `INSERT INTO holds (until, generation)
       SELECT ?, value FROM counters WHERE name = 'generation' RETURNING id, generation`,
    ),
    extendHold: row<[until: number, id: number], never>('UPDATE holds SET until = ? WHERE id = ?'),
    deleteHold: row<[id: number, now: number], never>(
      'DELETE FROM holds WHERE id = ? OR until < ?',
    ),
    keep: row<[ino: number, used: number, building: 0 | 1], never>(
      'INSERT OR REPLACE INTO kept (ino, used, building) VALUES (?, ?, ?)',
    ),
    keepLinkable: row<[ino: number, used: number], never>(
      'INSERT INTO kept (ino, used, building, linkable) VALUES (?, ?, 0, 1)',
    ),
    kept: row<[ino: number], { ino: number; used: number; building: number; linkable: number }>(
      'SELECT * FROM kept WHERE ino = ?',
    ),
    keptBefore: row<[used: number, limit: number], { ino: number }>(
      'SELECT ino FROM kept WHERE used < ? AND building = 0 LIMIT ?',
    ),
    building: row<[below: number, limit: number], { ino: number }>(
      'SELECT ino FROM kept WHERE building = 1 AND ino < ? LIMIT ?',
    ),
    touchKept: row<[used: number, ino: number], never>('UPDATE kept SET used = ? WHERE ino = ?'),
    unkeep: row<[ino: number], never>('DELETE FROM kept WHERE ino = ?'),
    insertUndo: row<
      [
        ino: number,
        generation: number,
        position: number,
        length: number,
        data: Buffer | null,
        spool: number | null,
        spool_position: number | null,
      ],
      never
    >(
      `INSERT INTO undo (ino, generation, position, length, data, spool, spool_position)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    undo: row<[ino: number], UndoRow>('SELECT * FROM undo WHERE ino = ? ORDER BY id DESC'),
    lastUndo: row<[], UndoRow>('SELECT * FROM undo ORDER BY id DESC LIMIT 1'),
    deleteUndo: row<[ino: number], never>('DELETE FROM undo WHERE ino = ?'),
  }
}
