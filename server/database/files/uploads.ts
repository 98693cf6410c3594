import type { Prepare } from './statements.js'

/** A row of `uploads`. */
export interface UploadRow {
  readonly id: string
  readonly tree: number
  readonly generation: number
  readonly length: number
  readonly details: string
  readonly replaces: number | null
  /** Seconds since the epoch. */
  readonly expires: number
  readonly finished: number | null
}

/** Statements of uploads that are made in several requests. */
export function uploadStatements(row: Prepare) {
  return {
    insertUpload: row<
      [
        id: string,
        tree: number,
        generation: number,
        length: number,
        details: string,
        replaces: number | null,
        expires: number,
      ],
      never
    >('INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, NULL)'),
    uploadRow: row<[id: string], UploadRow>('SELECT * FROM uploads WHERE id = ?'),
    uploadsUnderWay: row<[tree: number, now: number], { own: number; all: number }>(
      `SELECT count(*) AS "all", count(*) FILTER (WHERE tree = ?) AS own FROM uploads
       WHERE finished IS NULL AND expires > ?`,
    ),
    bytesUnderWay: row<[tree: number, now: number], { bytes: number }>(
      `SELECT coalesce(sum(max(0, u.length - coalesce(i.size, 0))), 0) AS bytes
       FROM uploads u LEFT JOIN inodes i ON i.ino = u.replaces
       WHERE u.tree = ? AND u.finished IS NULL AND u.expires > ?`,
    ),
    expiredUploads: row<[now: number, limit: number], UploadRow>(
      'SELECT * FROM uploads WHERE expires <= ? ORDER BY expires LIMIT ?',
    ),
    touchUpload: row<[expires: number, id: string], never>(
      'UPDATE uploads SET expires = ? WHERE id = ?',
    ),
    finishUpload: row<[ino: number, id: string], never>(
      'UPDATE uploads SET finished = ? WHERE id = ?',
    ),
    deleteUpload: row<[id: string], never>('DELETE FROM uploads WHERE id = ?'),
    forgetFinishedUploads: row<[most: number], never>(
      `DELETE FROM uploads WHERE id IN (SELECT id FROM uploads WHERE finished IS NOT NULL
       ORDER BY expires DESC LIMIT -1 OFFSET ?)`,
    ),
  }
}
