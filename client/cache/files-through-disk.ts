import type { WireAttributes } from '../../server/wire/inodes.js'
import type { ReadCounts } from '../remote/read-counts.js'
import type { RemoteContent, RemoteFiles } from '../remote/remote-files.js'
import type { DiskCache } from './disk-cache.js'

/**
 * Reads through a cache on the local disk, in its blocks. `believed` says what the file is now as far as this mount may
 * believe it: only blocks of that very content are used.
 */
export function filesThroughDisk(
  files: RemoteFiles,
  cache: DiskCache,
  believed: (ino: number) => WireAttributes | undefined,
  { disk }: ReadCounts,
): RemoteFiles {
  const { blockBytes } = cache
  const { readAll } = files

  /** Keeps the whole blocks of what came, the last one of a file though it is short. */
  function keep(offset: number, { data, attributes }: RemoteContent): void {
    const end = offset + data.length
    for (let index = Math.ceil(offset / blockBytes); index * blockBytes < end; index++) {
      const from = index * blockBytes
      const to = Math.min(from + blockBytes, attributes.size)
      if (to > end) return
      void cache.write(attributes, index, data.subarray(from - offset, to - offset))
    }
  }

  const read: RemoteFiles['read'] = async (ino, offset, length, signal) => {
    const known = believed(ino)
    const end = Math.min(offset + length, known?.size ?? 0)
    if (known?.type !== 'file' || offset >= end) {
      const content = await files.read(ino, offset, length, signal)
      keep(offset, content)
      return content
    }
    const first = Math.floor(offset / blockBytes)
    const last = Math.floor((end - 1) / blockBytes)
    const indexes = Array.from({ length: last - first + 1 }, (_, index) => first + index)
    const blocks = await Promise.all(indexes.map((index) => cache.read(known, index)))
    const pieces: Buffer[] = []
    for (let at = 0; at < blocks.length; ) {
      const block = blocks[at]
      if (block !== undefined) {
        disk.blocks += 1
        disk.bytes += block.length
        pieces.push(block)
        at += 1
        continue
      }
      let missing = 1
      while (at + missing < blocks.length && blocks[at + missing] === undefined) missing += 1
      const from = (first + at) * blockBytes
      const bytes = Math.min(missing * blockBytes, known.size - from)
      const content = await files.read(ino, from, bytes, signal)
      keep(from, content)
      const isSame = content.attributes.version === known.version && content.data.length === bytes
      // It changed while we read: what the cache has belongs to something else.
      if (!isSame) return files.read(ino, offset, length, signal)
      pieces.push(content.data)
      at += missing
    }
    const [only, ...others] = pieces
    const whole = only !== undefined && others.length === 0 ? only : Buffer.concat(pieces)
    const start = offset - first * blockBytes
    return { data: whole.subarray(start, start + end - offset), attributes: known }
  }

  return {
    ...files,
    read,
    ...(readAll === undefined
      ? {}
      : {
          async readAll(inos, bytes) {
            const found = new Map<number, RemoteContent>()
            for (const ino of inos) {
              const known = believed(ino)
              if (known?.type !== 'file' || known.size > blockBytes) continue
              const data = await cache.read(known, 0)
              if (data === undefined) continue
              disk.blocks += 1
              disk.bytes += data.length
              found.set(ino, { data, attributes: known })
            }
            const missing = inos.filter((ino) => !found.has(ino))
            const contents = missing.length === 0 ? [] : await readAll(missing, bytes)
            for (const [index, content] of contents.entries()) {
              const ino = missing[index]
              if (content === undefined || ino === undefined) continue
              keep(0, content)
              found.set(ino, content)
            }
            return inos.map((ino) => found.get(ino))
          },
        }),
  }
}
