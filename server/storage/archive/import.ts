import { FileError } from '../../errors.js'
import type { Ino, Tree } from '../storage.js'
import { Importing } from './importing.js'
import { SizedInput } from './sized-input.js'
import { BLOCK, decodeHeader, extendMember } from './tar.js'
import { startTar, tarEnded } from './tar-process.js'

export interface Imported {
  readonly files: number
  readonly bytes: number
  readonly skipped: number
}

export interface ImportedTree extends Imported {
  /** What of the plain tree could not be read as it is, if anything: as tar(1) says it. */
  readonly complaint: string
}

/** Says which member could not be imported, and why; the others are. */
export type Skip = (path: string, reason: string) => void

/** The largest extended header that is taken: names and xattrs of one member. */
const EXTENDED_MAX = 16 * 1024 * 1024

/** Takes in a plain tree with all attributes below a directory. What exists there stays as it is. */
export async function importTree(
  tree: Tree,
  into: Ino,
  from: string,
  skip: Skip,
): Promise<ImportedTree> {
  const options = ['--create', '--sparse', '--file=-', '--format=posix', `--directory=${from}`]
  const tar = startTar(
    [...options, '--xattrs', '--xattrs-include=*', '--numeric-owner', '.'],
    ['ignore', 'pipe', 'pipe'],
  )
  const { stdout } = tar
  if (stdout === null) throw new Error('tar has no standard output')
  const ended = tarEnded(tar)
  const [imported] = await Promise.allSettled([
    importArchive(tree, into, stdout, skip).catch((error) => {
      stdout.destroy()
      throw error
    }),
    ended.catch(() => {}),
  ])
  // What tar(1) complains about says more than that its archive ends too early.
  if (imported.status === 'rejected' && tar.signalCode !== null) throw imported.reason
  const complaint = await ended
  if (imported.status === 'rejected') throw imported.reason
  return { ...imported.value, complaint }
}

/** Takes in a pax archive below a directory. */
async function importArchive(
  tree: Tree,
  into: Ino,
  source: AsyncIterable<Buffer>,
  skip: Skip,
): Promise<Imported> {
  const input = new SizedInput(source)
  const importing = new Importing(tree, into)
  const count = { files: 0, bytes: 0, skipped: 0 }
  let extended: Buffer | undefined
  for (;;) {
    const block = await input.take(BLOCK)
    const header = decodeHeader(block)
    if (header === undefined) break
    const { typeflag } = header
    if (typeflag === 'x' || typeflag === 'g') {
      const { size } = header.member
      if (size > EXTENDED_MAX) throw new Error('an extended header of the archive is too large')
      const records = await input.take(size)
      if (typeflag === 'x') extended = records
      await input.skip((BLOCK - (size % BLOCK)) % BLOCK)
      continue
    }
    const member = extended === undefined ? header.member : extendMember(header.member, extended)
    extended = undefined
    const size = member.type === 'file' ? member.size : 0
    const content = input.part(size)
    try {
      await importing.member(member, content)
      count.files += 1
      count.bytes += member.realSize ?? size
    } catch (error) {
      if (!(error instanceof FileError)) throw error
      count.skipped += 1
      skip(member.path, error.message)
    }
    for await (const _rest of content) {
      // What was not used of a refused file.
    }
    await input.skip((BLOCK - (size % BLOCK)) % BLOCK)
  }
  await importing.end()
  await input.drain()
  return count
}
