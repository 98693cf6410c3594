import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { makeDirectory } from '../disk/make-directory.js'
import type { Ino, Inode, Tree } from '../storage.js'
import { DESCRIPTORS, survey, writeSegments } from './segments.js'
import { END, encodeMember, padding } from './tar.js'
import { startTar, tarEnded } from './tar-process.js'
import { type Extent, encodeMap } from './tar-sparse.js'
import { walk } from './walk.js'

const CHUNK = 256 * 1024
const FD_3 = `${DESCRIPTORS}/3`
const NO_XATTRS: ReadonlyMap<string, Buffer> = new Map()

/**
 * Writes a directory of a user, with all attributes, as a plain tree. tar(1) makes it, which knows how, but only names each
 * file by its whole path; deeper trees are written in segments.
 * @returns what could not be written as it is, if anything: as tar(1) says it
 * @throws Error with what tar(1) complained about
 */
export async function exportTree(
  tree: Tree,
  from: Ino,
  to: string,
  descriptors = DESCRIPTORS,
): Promise<string> {
  makeDirectory(to)
  const found = await survey(tree, from)
  if (found.segments.length === 1) return extract(archive(tree, from), to)
  const complaints: string[] = []
  const extracted = async (source: AsyncIterable<Buffer>, into: string | FileHandle) => {
    const complaint = await extract(source, into)
    if (complaint !== '') complaints.push(complaint)
  }
  await writeSegments(
    tree,
    found,
    to,
    descriptors,
    (folder) => extracted(linkedArchive(tree, found.linked), folder),
    ({ ino }, directory) => extracted(archive(tree, ino, found.linked), directory),
  )
  return complaints.join('\n')
}

/** @param into a path, or a directory that tar(1) then has as its descriptor 3 */
async function extract(source: AsyncIterable<Buffer>, into: string | FileHandle): Promise<string> {
  const [directory, third] = typeof into === 'string' ? [into, 'ignore' as const] : [FD_3, into.fd]
  const tar = startTar(
    [
      ...['--extract', '--file=-', `--directory=${directory}`, '--preserve-permissions'],
      // a time to come is no reason to complain
      ...['--delay-directory-restore', '--xattrs', '--xattrs-include=*', '--warning=no-timestamp'],
    ],
    ['pipe', 'ignore', 'pipe', third],
  )
  if (tar.stdin === null) throw new Error('tar has no standard input')
  const ended = tarEnded(tar)
  const [sent] = await Promise.allSettled([
    pipeline(Readable.from(source, { objectMode: false }), tar.stdin),
    ended,
  ])
  const complaint = await ended
  if (sent.status === 'rejected') throw sent.reason
  return complaint
}

/**
 * A pax archive of a directory and all below it, as far as paths are not too long. Memory grows with the hard links, not with
 * the files.
 * @param without is left out
 */
async function* archive(
  tree: Tree,
  from: Ino,
  without: ReadonlySet<Ino> = new Set(),
): AsyncGenerator<Buffer> {
  const firstNames = new Map<Ino, string>()
  for await (const { path, inode, far } of walk(tree, from)) {
    if (!far && !without.has(inode.ino)) yield* member(tree, inode, path, firstNames)
  }
  yield END
}

/** What has several names, each file named by its inode number. */
async function* linkedArchive(tree: Tree, linked: ReadonlySet<Ino>): AsyncGenerator<Buffer> {
  for (const ino of linked) yield* member(tree, await tree.stat(ino), String(ino), new Map())
  yield END
}

async function* member(
  tree: Tree,
  inode: Inode,
  path: string,
  firstNames: Map<Ino, string>,
): AsyncGenerator<Buffer> {
  const { type, mode, uid, gid, mtime, atime, rdev } = inode
  // A socket is made by who listens at it.
  if (type === 'socket') return
  const first = firstNames.get(inode.ino)
  const common = { path, mode, uid, gid, mtime, atime, rdev }
  if (first !== undefined) {
    yield encodeMember({ ...common, type: 'link', size: 0, linkpath: first, xattrs: NO_XATTRS })
    return
  }
  if (type !== 'directory' && inode.nlink > 1) firstNames.set(inode.ino, path)
  const xattrs = new Map<string, Buffer>()
  for (const name of await tree.listXattrs(inode.ino)) {
    xattrs.set(name, await tree.getXattr(inode.ino, name))
  }
  if (type === 'file') {
    yield* file(tree, inode.ino, (sizes) =>
      encodeMember({ ...common, type, ...sizes, linkpath: '', xattrs }),
    )
    return
  }
  yield encodeMember({ ...common, type, size: 0, linkpath: inode.target ?? '', xattrs })
}

async function* file(
  tree: Tree,
  ino: Ino,
  encode: (sizes: { readonly size: number; readonly realSize?: number }) => Buffer,
): AsyncGenerator<Buffer> {
  const content = await tree.open(ino)
  const { size: realSize, allocated } = content.inode
  if (allocated === undefined) {
    yield encode({ size: realSize })
    yield* content.stream(0, realSize - 1)
    yield padding(realSize)
    return
  }
  const extents = await dataOf(tree, ino, realSize)
  const map = encodeMap(extents)
  const size = extents.reduce((sum, { length }) => sum + length, map.length)
  yield encode({ size, realSize })
  yield map
  for (const { offset, length } of extents) {
    for (let at = offset; at < offset + length; ) {
      const data = await content.read(at, Math.min(CHUNK, offset + length - at))
      if (data.length === 0) throw new Error('a file became shorter while it was exported')
      at += data.length
      yield data
    }
  }
  await content.close()
  yield padding(size)
}

/** Where a file is no hole; one of no bytes stands for a hole at its end. */
async function dataOf(tree: Tree, ino: Ino, size: number): Promise<Extent[]> {
  const extents: Extent[] = []
  for (let end = 0; ; ) {
    const offset = await tree.seek(ino, end, 'data')
    if (offset === undefined)
      return end === size ? extents : [...extents, { offset: size, length: 0 }]
    end = (await tree.seek(ino, offset, 'hole')) ?? size
    extents.push({ offset, length: end - offset })
  }
}
