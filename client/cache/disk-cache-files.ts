import { constants } from 'node:fs'
import { type FileHandle, open, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ENTRY_BYTES } from './disk-cache-entry.js'

const SMALLEST_BLOCK = 64 << 10
/** The table of slots is in memory, so there may be so many. */
const MOST_SLOTS = 1 << 17

export interface CacheFiles {
  readonly data: FileHandle
  readonly index: FileHandle
  /** What the index says. */
  readonly entries: Buffer
  readonly blockBytes: number
  readonly slots: number
  /** Slots below have their room on the disk. */
  readonly grown: number
}

/** The files of a cache of this size, made if needed. @throws Error, and holds none then */
export async function openCacheFiles(own: string, bytes: number): Promise<CacheFiles> {
  const blockBytes = blockBytesFor(bytes)
  const slots = Math.floor(bytes / (blockBytes + ENTRY_BYTES))
  const names = namesFor(blockBytes)
  await removeOthers(own, names)
  const flags = constants.O_RDWR | constants.O_CREAT
  const data = await open(join(own, names.blocks), flags, 0o600)
  let index: FileHandle | undefined
  try {
    index = await open(join(own, names.index), flags, 0o600)
    const entries = Buffer.alloc(slots * ENTRY_BYTES)
    ;(await readFile(index)).copy(entries)
    // A smaller cache than before gives back the room.
    if ((await data.stat()).size > slots * blockBytes) await data.truncate(slots * blockBytes)
    if ((await index.stat()).size > entries.length) await index.truncate(entries.length)
    const grown = Math.ceil((await data.stat()).size / blockBytes)
    return { data, index, entries, blockBytes, slots, grown }
  } catch (error) {
    await data.close()
    await index?.close()
    throw error
  }
}

/** Larger blocks for a large cache, so that the table stays small. */
function blockBytesFor(bytes: number): number {
  let block = SMALLEST_BLOCK
  while (bytes / block > MOST_SLOTS) block *= 2
  return block
}

function namesFor(blockBytes: number): { readonly blocks: string; readonly index: string } {
  const name = `${blockBytes >> 10}k`
  return { blocks: `${name}.blocks`, index: `${name}.index` }
}

/** A cache of another size may have had other blocks, which nobody reads any more: their room is to be used again. */
async function removeOthers(own: string, { blocks, index }: ReturnType<typeof namesFor>) {
  for (const name of await readdir(own)) {
    const isOther = name !== blocks && name !== index && /^\d+k\.(blocks|index)$/.test(name)
    if (isOther) await rm(join(own, name))
  }
}
