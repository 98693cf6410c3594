import type { Database } from '../database.js'

/** A time in nanoseconds, where 64 bits hold it: from 1970 to 2262. */
const nanoseconds = (time: string) =>
  `CASE WHEN i.${time}_sec BETWEEN 0 AND 9223372035 THEN i.${time}_sec * 1000000000 + i.${time}_nsec END`

const TYPE = `CASE i.mode & 0xf000 WHEN 0x8000 THEN 'file' WHEN 0x4000 THEN 'directory'
  WHEN 0xa000 THEN 'symlink' WHEN 0x1000 THEN 'fifo' WHEN 0xc000 THEN 'socket' WHEN 0x2000 THEN 'chardev'
  WHEN 0x6000 THEN 'blockdev' END`

/** Milliseconds are cut off, not rounded. */
const MODIFIED = `strftime('%Y-%m-%dT%H:%M:%S.', i.mtime_sec, 'unixepoch')
  || substr(1000 + i.mtime_nsec / 1000000, 2)`

const TARGET = `CASE WHEN i.target IS NULL THEN '' ELSE ',"target":' || json_quote(i.target) END`

/** As inode.ts has it: a file that is all hole takes nothing. */
const ALLOCATED = `CASE WHEN i.target IS NOT NULL THEN ''
  WHEN i.stored = 0 AND i.size > 0 AND i.mode & 0xf000 = 0x8000 THEN ',"allocated":0'
  WHEN i.allocated IS NULL THEN '' ELSE ',"allocated":' || i.allocated END`

/** Most have never been set anew. */
const PERMISSIONS = `CASE i.permissions WHEN 0 THEN '' ELSE ',"permissions":' || i.permissions END`

/** Each field of WireEntry (server/wire/inodes.ts) by its name, with what makes its value in JSON. */
const FIELDS: readonly (readonly [name: string, value: string])[] = [
  ['name', 'json_quote(e.name)'],
  ['ino', 'i.ino'],
  ['type', `'"' || ${TYPE} || '"'`],
  ['mode', 'i.mode & 0xfff'],
  ['uid', 'i.uid'],
  ['gid', 'i.gid'],
  ['nlink', 'i.nlink'],
  ['size', 'i.size'],
  ['rdev', 'i.rdev'],
  ['atime', `'"' || ${nanoseconds('atime')} || '"'`],
  ['mtime', `'"' || ${nanoseconds('mtime')} || '"'`],
  ['ctime', `'"' || ${nanoseconds('ctime')} || '"'`],
  ['crtime', `'"' || ${nanoseconds('crtime')} || '"'`],
  ['version', 'i.version'],
  ['generation', 'i.generation'],
  ['etag', `'"\\"' || i.ino || '-' || i.version || '\\""'`],
  ['modified_time', `'"' || ${MODIFIED} || 'Z"'`],
]
const ENTRY = FIELDS.map(([name, value]) => `'"${name}":' || (${value})`).join(" || ',' || ")

/**
 * A page of a directory whose entries come in JSON, spelled by the database: as rows of values, which JavaScript then
 * spells, they cost three times as much. Null for an entry that only JavaScript can spell (a time before 1970).
 */
export function spelledEntries(database: Database) {
  const statement = database
    .prepare<[directory: number, after: string, limit: number], [string | null, string]>(
      `SELECT '{' || ${ENTRY} || ${TARGET} || ${ALLOCATED} || ${PERMISSIONS} || '}', e.name
       FROM entries e JOIN inodes i ON i.ino = e.ino
       WHERE e.directory = ? AND e.name > ? ORDER BY e.name LIMIT ?`,
    )
    .raw(true)
  return {
    spelledEntries: {
      all: (directory: number, after: string, limit: number) =>
        statement.all(directory, after, limit),
    },
  }
}
