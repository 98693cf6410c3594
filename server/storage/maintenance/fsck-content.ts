import { constants } from 'node:fs'
import { join } from 'node:path'
import type { InodeRow } from '../../database/files/inode-rows.js'
import type { FileStatements } from '../../database/files/statements.js'
import { STORED } from '../content/stored.js'
import { contentPath, generationOf, generationsIn, parseHex } from '../disk/content-path.js'
import { type Disk, isErrno } from '../disk/disk.js'

export type ContentProblem = 'content missing' | 'content too short' | 'content without inode'

/** A content file and an inode that do not agree. */
export interface ContentMismatch {
  readonly kind: ContentProblem
  readonly text: string
  readonly generation: number
  readonly row: InodeRow | undefined
  /** Bytes the content file has; undefined if there is none. */
  readonly length: number | undefined
}

const PAGE = 1000

/** Every inode that claims a content file, against the file. What a server changes meanwhile is looked at again. */
export async function* mismatches(
  sql: FileStatements,
  disk: Disk,
  root: string,
): AsyncGenerator<ContentMismatch> {
  let last = 0
  for (;;) {
    const page = sql.inodesAfter.all(last, PAGE)
    for (const row of page) {
      last = row.ino
      if (row.stored !== STORED.file) continue
      const length = lengthOf(disk, contentPath(root, row.generation))
      if (length !== undefined && length >= row.size) continue
      const current = sql.inode.get(row.ino)
      if (current?.generation !== row.generation || current.version !== row.version) continue
      const kind = length === undefined ? 'content missing' : 'content too short'
      const has = length === undefined ? 'no content file' : `only ${length} bytes of content`
      const text = `inode ${row.ino} of ${row.size} bytes has ${has}`
      yield { kind, text, generation: row.generation, row, length }
    }
    if (page.length === 0) return
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Content files that no inode claims. A server that runs has some on their way. */
export async function* orphans(
  sql: FileStatements,
  disk: Disk,
  root: string,
): AsyncGenerator<ContentMismatch> {
  for (const high of await disk.names(root)) {
    if (parseHex(high) === undefined) continue
    for (const folder of await disk.names(join(root, high))) {
      const range = generationsIn(folder)
      if (range === undefined) continue
      const rows = sql.generations.all(range.first, range.last)
      const claimed = new Set(rows.map(({ generation }) => generation))
      for (const name of await disk.names(join(root, high, folder))) {
        const generation = generationOf(name, range)
        if (generation === undefined || claimed.has(generation)) continue
        const length = lengthOf(disk, contentPath(root, generation))
        const text = `content file ${name} belongs to no inode`
        yield { kind: 'content without inode', text, generation, row: undefined, length }
      }
    }
  }
}

function lengthOf(disk: Disk, path: string): number | undefined {
  try {
    const fd = disk.open(path, constants.O_RDONLY)
    try {
      return disk.stat(fd).length
    } finally {
      disk.close(fd)
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}
