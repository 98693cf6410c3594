import { FileError } from '../../errors.js'
import type { StoragePath } from '../../storage/path.js'
import type { Ino, Inode, Place, Tree } from '../../storage/storage.js'
import type { Exchange } from './exchange.js'

export function inodeAt({ tree, from, names }: Exchange): Promise<Inode> {
  return names.length === 0 ? tree.stat(from) : tree.walk(from, names)
}

/** What is there, or undefined if nothing is; a missing parent is an error all the same. */
export async function currentAt(exchange: Exchange): Promise<Inode | undefined> {
  const { tree, from, names } = exchange
  if (names.length === 0) return tree.stat(from)
  const place = await placeAt(exchange)
  return lookup(tree, place)
}

export async function lookup(tree: Tree, { directory, name }: Place): Promise<Inode | undefined> {
  try {
    return await tree.lookup(directory, name)
  } catch (error) {
    if (!(error instanceof FileError && error.code === 'ENOENT')) throw error
    // ENOENT of the name or of the directory: only the first is "nothing is there"
    await tree.stat(directory)
    return undefined
  }
}

/** The name the request is about. @throws FileError EBUSY (the root), EINVAL (an inode without a name) */
export async function placeAt({ tree, from, names }: Exchange): Promise<Place> {
  return placeOf(tree, from, names)
}

export async function placeOf(tree: Tree, from: Ino, names: StoragePath): Promise<Place> {
  const name = names.at(-1)
  if (name === undefined) {
    if (from === tree.root) throw new FileError('EBUSY', 'this cannot be done to the root')
    throw new FileError('EINVAL', 'this needs a name: /inodes/{directory}/{name}')
  }
  if (names.length === 1) return { directory: from, name }
  const parent = await tree.walk(from, names.slice(0, -1))
  return { directory: parent.ino, name }
}
