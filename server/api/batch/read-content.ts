import { FileError } from '../../errors.js'
import type { Ino, Tree } from '../../storage/storage.js'
import type { WireContent } from '../../wire/operations.js'
import { wireAttributes } from '../exchange/attributes.js'
import type { Answer } from './operation.js'

/** Files that are read at the same moment for one answer. */
const TOGETHER = 16

/** `read` of POST /batch: a part of one file. */
export async function readContent(
  tree: Tree,
  ino: Ino,
  offset: number,
  bytes: number,
): Promise<Answer> {
  const content = await tree.open(ino)
  try {
    const { inode } = content
    const length = Math.max(0, Math.min(bytes, inode.size - offset))
    return length === 0 ? { inode } : { inode, content: await content.read(offset, length) }
  } finally {
    await content.close()
  }
}

/** `readAll` of POST /batch: whole files, one behind the other, until one does not fit any more. */
export async function readContents(
  tree: Tree,
  inos: readonly Ino[],
  bytes: number,
): Promise<Answer> {
  const contents: WireContent[] = []
  const pieces: Buffer[] = []
  let room = bytes
  for (let at = 0; at < inos.length; at += TOGETHER) {
    const most = room
    const some = inos.slice(at, at + TOGETHER)
    for (const one of await Promise.all(some.map((ino) => whole(tree, ino, most)))) {
      if (one === 'too long' || ('data' in one && one.data.length > room)) return answer()
      if ('data' in one) {
        pieces.push(one.data)
        room -= one.data.length
      }
      contents.push('data' in one ? one.content : one)
    }
  }
  return answer()

  function answer(): Answer {
    return { header: { outcome: 'done', contents }, content: Buffer.concat(pieces) }
  }
}

async function whole(
  tree: Tree,
  ino: Ino,
  most: number,
): Promise<{ content: WireContent; data: Buffer } | { code: string } | 'too long'> {
  try {
    const open = await tree.open(ino)
    try {
      const { size } = open.inode
      if (size > most) return 'too long'
      const data = size === 0 ? Buffer.alloc(0) : await open.read(0, size)
      const attributes = wireAttributes(open.inode)
      return { content: { attributes, bytes: data.length }, data }
    } finally {
      await open.close()
    }
  } catch (error) {
    if (error instanceof FileError) return { code: error.code }
    throw error
  }
}
