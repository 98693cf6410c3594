import { FileError } from '../../errors.js'
import { Refusal } from '../../http/refusal.js'
import type {
  Ino,
  Inode,
  Origin,
  Place,
  Precondition,
  ResumableUpload,
  Tree,
  ValuePrecondition,
  XattrMode,
} from '../../storage/storage.js'
import type { Admitted, Exchange } from '../exchange/exchange.js'
import { inodeAt, lookup, placeAt } from '../exchange/place.js'
import { precondition, valuePrecondition } from '../exchange/preconditions.js'
import { underLocks } from '../exchange/under-locks.js'
import { announcedBytes, hasContent } from './body.js'

/**
 * What each route knows of a request before its content comes: what it is about is looked at here, and nobody reads the content
 * of a request that has not been here. So whatever can be refused is refused before the content is sent, where the client waits
 * for 100 (Continue) (RFC 9110 section 10.1.1), and conditions are evaluated "just before it would process the request content"
 * (section 13.2.1). All of it is looked at again in the step that makes the change. Room for bytes that are streamed is the
 * storage's to know, which refuses before it takes the first (`Tree.upload`, `ExpectedWrite`).
 */
export const beforehand = {
  /** PUT: a file, by its number or its name, or a name where one is to be. */
  async put(exchange: Exchange) {
    const target = exchange.names.length === 0 ? exchange.from : await placeAt(exchange)
    return replacing(exchange, target)
  },

  /** POST of a resumable upload. */
  upload: (exchange: Exchange, place: Place) => replacing(exchange, place),

  /** The next bytes of a resumable upload. */
  part(exchange: Exchange, { size }: ResumableUpload, offset: number): Admitted {
    if (offset === size) return admit(exchange)
    throw new Refusal(409, `Upload-Offset must be ${size}`, { 'Upload-Offset': String(size) })
  },

  /** PUT ?xattr= */
  async xattr(exchange: Exchange, name: string, mode: XattrMode): Promise<OfXattr> {
    const { tree, request } = exchange
    const holds = valuePrecondition(exchange)
    const { ino } = await inodeAt(exchange)
    const current = await presentValue(tree, ino, name)
    if (mode === 'create' && current !== undefined) throw exists()
    // says that there is none
    if (mode === 'replace' && current === undefined) await tree.getXattr(ino, name)
    holds(current)
    const bytes = announcedBytes(request)
    if (bytes !== undefined) await tree.require({ bytes: bytes - (current?.length ?? 0) })
    return { admitted: admit(exchange), ino, holds }
  },

  /** PATCH of attributes. */
  attributes: (exchange: Exchange) => existing(exchange),

  /** PATCH of bytes, sent or not. */
  async bytes(exchange: Exchange): Promise<OfInode & { readonly origin: Origin }> {
    const known = await existing(exchange, refuseUnlessFile)
    return { ...known, origin: underLocks(exchange, known.ino) }
  },

  /**
   * POST. What the request is about is not there yet: If-Match never holds, and other conditions always do. Where something is
   * there, POST fails whatever they are, and they do not count.
   */
  async make(exchange: Exchange): Promise<{ admitted: Admitted; place: Place }> {
    const { request, tree, names } = exchange
    const holds = precondition(exchange)
    if (names.length === 0) {
      // the root and an inode given by number exist already
      await inodeAt(exchange)
      throw exists()
    }
    const place = await placeAt(exchange)
    const refuseExisting = async () => {
      if ((await lookup(tree, place)) !== undefined) throw exists()
    }
    if (hasContent(request)) {
      await refuseExisting()
      // an inode, or another name of one
      await tree.require({ inodes: 1 })
    }
    try {
      holds(undefined)
    } catch (error) {
      await refuseExisting()
      throw error
    }
    return { admitted: admit(exchange), place }
  },

  /** POST ?nameless on a directory. */
  async nameless(exchange: Exchange): Promise<Omit<OfInode, 'holds'>> {
    const holds = precondition(exchange)
    const { ino, type } = await inodeAt(exchange)
    if (type !== 'directory') throw new FileError('ENOTDIR', 'this is no directory')
    await exchange.tree.require({ inodes: 1 })
    holds(undefined)
    return { admitted: admit(exchange), ino }
  },

  /** POST /batch: operations say what they are about when they come. */
  batch: (exchange: Exchange): Admitted => admit(exchange),
}

interface OfInode {
  readonly admitted: Admitted
  readonly ino: Ino
  readonly holds: Precondition
}

interface OfXattr extends Omit<OfInode, 'holds'> {
  readonly holds: ValuePrecondition
}

interface OfContent<Target> extends Omit<OfInode, 'ino'> {
  readonly target: Target
  readonly current: Inode | undefined
}

/** The only place where a request is let through to its content. */
function admit(exchange: Exchange): Admitted {
  return exchange as Admitted
}

async function existing(
  exchange: Exchange,
  check: (inode: Inode) => void = () => {},
): Promise<OfInode> {
  const holds = precondition(exchange)
  const current = await inodeAt(exchange)
  check(current)
  holds(current)
  return { admitted: admit(exchange), ino: current.ino, holds }
}

async function replacing<Target extends Place | Ino>(
  exchange: Exchange,
  target: Target,
): Promise<OfContent<Target>> {
  const { tree } = exchange
  const holds = precondition(exchange)
  const current = typeof target === 'number' ? await tree.stat(target) : await lookup(tree, target)
  if (current !== undefined) refuseUnlessFile(current)
  holds(current)
  return { admitted: admit(exchange), target, current, holds }
}

async function presentValue(tree: Tree, ino: Ino, name: string): Promise<Buffer | undefined> {
  try {
    return await tree.getXattr(ino, name)
  } catch (error) {
    if (error instanceof FileError && error.code === 'ENODATA') return undefined
    throw error
  }
}

function refuseUnlessFile({ type }: Inode): void {
  if (type === 'file') return
  if (type === 'directory') throw new FileError('EISDIR', 'this is a directory; POST makes those')
  throw new FileError('EINVAL', `this is a ${type}, which has no content`)
}

function exists(): FileError {
  return new FileError('EEXIST', 'it exists already')
}
