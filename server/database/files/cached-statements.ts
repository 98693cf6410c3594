import type { Database } from '../database.js'
import { type InodeRow, rowWith } from './inode-rows.js'
import { RowCache } from './row-cache.js'
import { type FileStatements, fileStatements, type Time } from './statements.js'

/** The file side's statements where inodes, names and small contents that were read stay at hand until they change. */
export interface CachedStatements extends FileStatements {
  /** To be told when a transaction, or an inner one, was rolled back, and when a transaction is over. */
  rolledBack(): void
  ended(): void
}

export function cachedStatements(database: Database): CachedStatements {
  const sql = fileStatements(database)
  const cache = new RowCache()

  function inode(ino: number) {
    const known = cache.inode(ino)
    if (known !== undefined) return known
    const row = sql.inode.get(ino)
    if (row !== undefined) cache.keepInode(row)
    return row
  }

  function entry(directory: number, name: string) {
    const known = cache.named(directory, name)
    if (known === 'nothing') return undefined
    if (known !== undefined) return inode(known)
    const row = sql.entry.get(directory, name)
    cache.keepName(directory, name, row?.ino ?? 'nothing')
    if (row !== undefined) cache.keepInode(row)
    return row
  }

  return {
    ...sql,
    rolledBack: () => cache.rolledBack(),
    ended: () => cache.ended(),
    inode: { get: inode },
    entry: { get: entry },
    smallContent: {
      get(ino) {
        const known = cache.content(ino)
        if (known !== undefined) return known
        const content = sql.smallContent.get(ino)
        if (content !== undefined) cache.keepContent(ino, content)
        return content
      },
    },
    // Each changes the table first: if that fails, the cache is as right as before.
    insertInode: {
      run(row) {
        sql.insertInode.run(row)
        cache.writeInode(row)
      },
    },
    updateInode: {
      run(row) {
        const before = cache.inode(row.ino)
        const isWhereItWas = before?.generation === row.generation && before.stored === row.stored
        if (isWhereItWas) sql.updateInodeOnly.run(row)
        else sql.updateInode.run(row)
        cache.writeInode(row)
      },
    },
    touchDirectory: {
      run(subdirectories, now, ino) {
        sql.touchDirectory.run(subdirectories, now, ino)
        const row = cache.inode(ino)
        if (row === undefined) cache.removeInode(ino)
        else cache.writeInode(touched(row, subdirectories, now))
      },
    },
    deleteInode: {
      run(ino) {
        sql.deleteInode.run(ino)
        cache.removeInode(ino)
      },
    },
    insertEntry: {
      run(directory, name, ino) {
        sql.insertEntry.run(directory, name, ino)
        cache.writeName(directory, name, ino)
      },
    },
    setEntry: {
      run(ino, directory, name) {
        sql.setEntry.run(ino, directory, name)
        cache.writeName(directory, name, ino)
      },
    },
    deleteEntry: {
      run(directory, name) {
        sql.deleteEntry.run(directory, name)
        cache.writeName(directory, name, 'nothing')
      },
    },
    setSmallContent: {
      run(ino, data) {
        sql.setSmallContent.run(ino, data)
        cache.writeContent(ino)
      },
    },
    rewriteSmallContent: {
      run(ino, data) {
        sql.rewriteSmallContent.run(ino, data)
        cache.writeContent(ino)
        cache.keepContent(ino, { data })
      },
    },
    deleteSmallContent: {
      run(ino) {
        sql.deleteSmallContent.run(ino)
        cache.writeContent(ino)
      },
    },
  }
}

/** What the statement makes of the row. */
function touched(row: InodeRow, subdirectories: number, { sec, nsec }: Time): InodeRow {
  return rowWith(row, {
    nlink: row.nlink + subdirectories,
    version: row.version + 1,
    mtime_sec: sec,
    mtime_nsec: nsec,
    ctime_sec: sec,
    ctime_nsec: nsec,
  })
}
