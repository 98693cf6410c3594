import type { Ino, Tree } from '../storage/storage.js'
import { overwrite } from '../storage/storage.js'

const PAGE = 1000

/** Removes everything below a user's root, from the leaves up; how many names it removed. */
export async function removeFiles(tree: Tree): Promise<number> {
  return empty(tree, tree.root)
}

async function empty(tree: Tree, directory: Ino): Promise<number> {
  const how = { kind: 'either', keep: false, precondition: overwrite } as const
  let removed = 0
  for (;;) {
    const page = await tree.list(directory, { limit: PAGE })
    if (page.length === 0) return removed
    for (const { name, inode } of page) {
      if (inode.type === 'directory') removed += await empty(tree, inode.ino)
      await tree.remove({ directory, name }, how, {})
      removed++
    }
  }
}
