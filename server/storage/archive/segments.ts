import { existsSync, constants as flags } from 'node:fs'
import { type FileHandle, link, lstat, mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Ino, Tree } from '../storage.js'
import { PATH_BYTES, walk } from './walk.js'

/**
 * A part of a tree whose paths are short enough for the kernel. The directory at its top is named from the top of the segment
 * above it; only together do their paths become longer than PATH_MAX.
 */
export interface Segment {
  readonly ino: Ino
  readonly path: string
  readonly above: Segment | undefined
}

export interface Survey {
  /** Each after the one above it. */
  readonly segments: readonly Segment[]
  /** What has several names, which may be in several segments. */
  readonly linked: ReadonlySet<Ino>
}

/** Cuts a tree in segments: nearly always one. */
export async function survey(tree: Tree, from: Ino): Promise<Survey> {
  const segments: Segment[] = [{ ino: from, path: '.', above: undefined }]
  const linked = new Set<Ino>()
  for (const segment of segments) {
    for await (const { path, inode, far } of walk(tree, segment.ino)) {
      const { ino, type, nlink } = inode
      if (far) segments.push({ ino, path, above: segment })
      // A socket is made by who listens at it.
      else if (type !== 'directory' && type !== 'socket' && nlink > 1) linked.add(ino)
    }
  }
  return { segments, linked }
}

/** Where the open descriptors of this process are names of what they are open on, which is what Node has for openat(2). */
export const DESCRIPTORS = '/proc/self/fd'

/** Writes one segment into a directory, which goes by a name that is good in a child that gets its descriptor as number 3. */
export type WriteSegment = (segment: Segment, directory: FileHandle) => Promise<void>

/**
 * Writes segments into a directory from the lowest to the highest, so that nothing changes a directory any more when it has
 * got its times and its mode. What has several names is written once, and linked to each.
 * @param writeLinked writes what has several names into a folder, each by its inode number
 */
export async function writeSegments(
  tree: Tree,
  { segments, linked }: Survey,
  to: string,
  descriptors: string,
  writeLinked: (folder: string) => Promise<void>,
  write: WriteSegment,
): Promise<void> {
  if (!existsSync(descriptors)) {
    throw new Error(
      `paths of more than ${PATH_BYTES} bytes can be written only where there is ${descriptors}, as on Linux`,
    )
  }
  // Not `join`, to which "N/.", a directory, is "N", a link to it.
  const at = ({ fd }: FileHandle, path: string) => `${descriptors}/${fd}/${path}`
  const folder = await mkdtemp(join(to, '.links-'))
  const made = new Set<Segment>()
  try {
    await writeLinked(folder)
    for (const segment of segments.toReversed()) {
      const directory = await openSegment(segment, to, at, made)
      try {
        let parent = '.'
        for await (const { path, inode } of walk(tree, segment.ino)) {
          if (!linked.has(inode.ino)) continue
          if (dirname(path) !== parent) {
            parent = dirname(path)
            await makeDirectories(at, directory, parent)
          }
          await rm(at(directory, path), { force: true })
          await link(join(folder, String(inode.ino)), at(directory, path))
        }
        if (segment.above === undefined) await rm(folder, { recursive: true })
        await write(segment, directory)
      } finally {
        await directory.close()
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

type At = (directory: FileHandle, path: string) => string

/** Goes down from the highest segment, with two descriptors open at most; makes what was not made yet. */
async function openSegment(
  segment: Segment,
  to: string,
  at: At,
  made: Set<Segment>,
): Promise<FileHandle> {
  const down: Segment[] = []
  for (let one = segment; one.above !== undefined; one = one.above) down.push(one)
  let directory = await open(to, DIRECTORY)
  for (const one of down.toReversed()) {
    const above = directory
    try {
      if (!made.has(one)) await makeDirectories(at, above, one.path)
      made.add(one)
      directory = await open(at(above, one.path), DIRECTORY)
    } finally {
      await above.close()
    }
  }
  return directory
}

const DIRECTORY = flags.O_RDONLY | flags.O_DIRECTORY

/** Makes a directory and those above it; as tar(1) does, it follows no symlink that was there before. */
async function makeDirectories(at: At, directory: FileHandle, path: string): Promise<void> {
  const names = path.split('/')
  for (let count = 1; count <= names.length; count++) {
    const place = at(directory, names.slice(0, count).join('/'))
    const found = await lstat(place).catch(() => undefined)
    if (found?.isDirectory()) continue
    await rm(place, { force: true })
    await mkdir(place, { mode: 0o700 })
  }
}
