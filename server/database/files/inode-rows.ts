import type { Database } from '../database.js'

/** A row of `inodes`. */
export interface InodeRow {
  readonly ino: number
  readonly tree: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly nlink: number
  readonly size: number
  readonly rdev: number
  readonly atime_sec: number
  readonly atime_nsec: number
  readonly mtime_sec: number
  readonly mtime_nsec: number
  readonly ctime_sec: number
  readonly ctime_nsec: number
  readonly crtime_sec: number
  readonly crtime_nsec: number
  readonly version: number
  readonly generation: number
  readonly stored: 0 | 1 | 2
  /** Bytes that a content with holes takes on the disk; null if it has none. */
  readonly allocated: number | null
  readonly target: string | null
  /** Counts how often mode or owner were set. */
  readonly permissions: number
}

/** A row with other values. (To spread them over those of a literal takes V8 twice as long.) */
export function rowWith(row: InodeRow, ...others: readonly Partial<InodeRow>[]): InodeRow {
  return Object.assign({ ...row }, ...others)
}

/** The columns in the order in which `toRow` takes them. */
const COLUMNS = [
  'ino',
  'tree',
  'mode',
  'uid',
  'gid',
  'nlink',
  'size',
  'rdev',
  'atime_sec',
  'atime_nsec',
  'mtime_sec',
  'mtime_nsec',
  'ctime_sec',
  'ctime_nsec',
  'crtime_sec',
  'crtime_nsec',
  'version',
  'generation',
  'stored',
  'allocated',
  'target',
  'permissions',
] as const satisfies readonly (keyof InodeRow)[]

/** What may change of an inode, beside where its content is; the rest is for life. */
const CHANGING = [
  'mode',
  'uid',
  'gid',
  'nlink',
  'size',
  'atime_sec',
  'atime_nsec',
  'mtime_sec',
  'mtime_nsec',
  'ctime_sec',
  'ctime_nsec',
  'version',
  'allocated',
  'permissions',
] as const satisfies readonly (keyof InodeRow)[]

type Values = readonly [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  0 | 1 | 2,
  number | null,
  string | null,
  number,
]

/** Rows come as arrays and are made objects here: that costs a third of what the driver takes to make them. */
function toRow(values: Values): InodeRow {
  return {
    ino: values[0],
    tree: values[1],
    mode: values[2],
    uid: values[3],
    gid: values[4],
    nlink: values[5],
    size: values[6],
    rdev: values[7],
    atime_sec: values[8],
    atime_nsec: values[9],
    mtime_sec: values[10],
    mtime_nsec: values[11],
    ctime_sec: values[12],
    ctime_nsec: values[13],
    crtime_sec: values[14],
    crtime_nsec: values[15],
    version: values[16],
    generation: values[17],
    stored: values[18],
    allocated: values[19],
    target: values[20],
    permissions: values[21],
  }
}

/** Statements that read and write whole rows of `inodes`. */
export function inodeRows(database: Database) {
  const selected = COLUMNS.map((column) => `i.${column}`).join(', ')
  const reader = <P extends unknown[]>(rest: string) => {
    const statement = database.prepare<P, Values>(`SELECT ${selected} ${rest}`).raw(true)
    return {
      get: (...parameters: P): InodeRow | undefined => {
        const values = statement.get(...parameters)
        return values === undefined ? undefined : toRow(values)
      },
      all: (...parameters: P): InodeRow[] => statement.all(...parameters).map(toRow),
    }
  }
  const one = <P extends unknown[]>(rest: string) => ({ get: reader<P>(rest).get })
  const entries = database
    .prepare<[directory: number, after: string, limit: number], [...Values, name: string]>(
      `SELECT ${selected}, e.name FROM entries e JOIN inodes i ON i.ino = e.ino
       WHERE e.directory = ? AND e.name > ? ORDER BY e.name LIMIT ?`,
    )
    .raw(true)
  const insert = database.prepare(
    `INSERT INTO inodes (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`,
  )
  const changing = CHANGING.map((column) => `${column} = ?`).join(', ')
  const update = database.prepare(
    `UPDATE inodes SET ${changing}, generation = ?, stored = ? WHERE ino = ?`,
  )
  const updateOnly = database.prepare(`UPDATE inodes SET ${changing} WHERE ino = ?`)
  return {
    inode: one<[ino: number]>('FROM inodes i WHERE i.ino = ?'),
    entry: one<[directory: number, name: string]>(
      'FROM entries e JOIN inodes i ON i.ino = e.ino WHERE e.directory = ? AND e.name = ?',
    ),
    inodesAfter: reader<[ino: number, limit: number]>(
      'FROM inodes i WHERE i.ino > ? ORDER BY i.ino LIMIT ?',
    ),
    /** A page of a directory. */
    entries: {
      all: (directory: number, after: string, limit: number): (InodeRow & { name: string })[] =>
        entries.all(directory, after, limit).map((values) => {
          return Object.assign(toRow(values as unknown as Values), { name: values[22] })
        }),
    },
    // Values one by one, for the same reason: an array made of them costs as much again.
    insertInode: {
      run: (row: InodeRow): unknown =>
        insert.run(
          row.ino,
          row.tree,
          row.mode,
          row.uid,
          row.gid,
          row.nlink,
          row.size,
          row.rdev,
          row.atime_sec,
          row.atime_nsec,
          row.mtime_sec,
          row.mtime_nsec,
          row.ctime_sec,
          row.ctime_nsec,
          row.crtime_sec,
          row.crtime_nsec,
          row.version,
          row.generation,
          row.stored,
          row.allocated,
          row.target,
          row.permissions,
        ),
    },
    updateInode: {
      run: (row: InodeRow): unknown =>
        update.run(
          row.mode,
          row.uid,
          row.gid,
          row.nlink,
          row.size,
          row.atime_sec,
          row.atime_nsec,
          row.mtime_sec,
          row.mtime_nsec,
          row.ctime_sec,
          row.ctime_nsec,
          row.version,
          row.allocated,
          row.permissions,
          row.generation,
          row.stored,
          row.ino,
        ),
    },
    /** Of one whose content is where it was: the index by generation is left alone, which is a page less to write. */
    updateInodeOnly: {
      run: (row: InodeRow): unknown =>
        updateOnly.run(
          row.mode,
          row.uid,
          row.gid,
          row.nlink,
          row.size,
          row.atime_sec,
          row.atime_nsec,
          row.mtime_sec,
          row.mtime_nsec,
          row.ctime_sec,
          row.ctime_nsec,
          row.version,
          row.allocated,
          row.permissions,
          row.ino,
        ),
    },
  }
}
