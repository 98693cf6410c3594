import type { FileName } from '../path.js'
import type { Entry, Ino, Inode, Tree } from '../storage.js'

/**
 * The longest path of a directory that a walk goes into, in bytes: with a name behind it and the folder it is relative to before it,
 * it is below PATH_MAX of Linux (4,096).
 */
export const PATH_BYTES = 3072

const PAGE = 1000

export interface Found {
  /** Relative to where the walk began, which is ".". */
  readonly path: string
  readonly inode: Inode
  /** A directory whose path is too long to go into it from here. */
  readonly far: boolean
}

interface Open {
  readonly ino: Ino
  readonly path: string
  page: readonly Entry[]
  next: number
}

/**
 * A directory and what is below it, each directory before what it contains. Memory grows with the depth, and the depth
 * is bounded.
 */
export async function* walk(tree: Tree, from: Ino): AsyncGenerator<Found> {
  const path = '.'
  yield { path, inode: await tree.stat(from), far: false }
  const stack: Open[] = [{ ino: from, path, page: await pageOf(tree, from), next: 0 }]
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const entry = top.page[top.next]
    if (entry === undefined) {
      top.page = await pageOf(tree, top.ino, top.page.at(-1)?.name)
      top.next = 0
      if (top.page.length === 0) stack.pop()
      continue
    }
    top.next += 1
    const { name, inode } = entry
    const path = `${top.path}/${name}`
    const isDirectory = inode.type === 'directory'
    const far = isDirectory && Buffer.byteLength(path) > PATH_BYTES
    yield { path, inode, far }
    if (isDirectory && !far) {
      stack.push({ ino: inode.ino, path, page: await pageOf(tree, inode.ino), next: 0 })
    }
  }
}

async function pageOf(tree: Tree, ino: Ino, after?: FileName): Promise<readonly Entry[]> {
  return tree.list(ino, { limit: PAGE, ...(after !== undefined && { after }) })
}
