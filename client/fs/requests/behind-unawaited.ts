import type { RemoteFiles } from '../../remote/remote-files.js'
import { eachMethod } from './each-method.js'
import type { Unawaited } from './unawaited.js'

/** What only reads bytes or extended attributes, or listens, needs no order. */
const UNORDERED: ReadonlySet<string> = new Set([
  'root',
  'read',
  'readAll',
  'seek',
  'release',
  'reserve',
  'changes',
  'removeAll',
  'isAway',
  'getXattr',
  'listXattrs',
])

/** What the server can be asked for right behind changes that nobody waits for, where the files keep that order. */
const FOLLOWING: ReadonlySet<string> = new Set([
  'write',
  'zero',
  'copyRange',
  'put',
  'make',
  'makeNameless',
  'link',
  'remove',
  'rename',
  'setAttributes',
])

const NONE: ReadonlySet<string> = new Set()

/** The same files; whatever bears on what is being changed comes after it. */
export function behindUnawaited(files: RemoteFiles, unawaited: Unawaited): RemoteFiles {
  const about = async <T>(ino: number, ask: () => Promise<T>): Promise<T> => {
    if (unawaited.count > 0) await unawaited.about(ino)
    return ask()
  }
  const reads: Pick<RemoteFiles, 'stat' | 'lookup' | 'list'> = {
    stat: (ino, signal) => about(ino, () => files.stat(ino, signal)),
    lookup: (directory, name, signal) =>
      about(directory, () => files.lookup(directory, name, signal)),
    async *list(directory, ...rest) {
      if (unawaited.count > 0) await unawaited.about(directory)
      yield* files.list(directory, ...rest)
    },
  }
  const following = files.keepsOrder === true ? FOLLOWING : NONE
  const ordered = eachMethod(files, (name, ask) => {
    if (UNORDERED.has(name)) return undefined
    return (...parameters) => {
      if (unawaited.count === 0) return ask(...parameters)
      if (following.has(name)) return unawaited.followedBy(() => ask(...parameters))
      return unawaited.all().then(() => ask(...parameters))
    }
  })
  // Were the answer to the removal lost, by the inode at that name nobody could tell whether it was done.
  const isTaken = (directory: number, name: string) => unawaited.isRemovingAt(directory, name)
  const named: Pick<RemoteFiles, 'link' | 'rename'> = {
    async link(ino, directory, name, options) {
      if (isTaken(directory, name)) await unawaited.all()
      return ordered.link(ino, directory, name, options)
    },
    async rename(from, to, options) {
      if (isTaken(to.directory, to.name)) await unawaited.all()
      return ordered.rename(from, to, options)
    },
  }
  return { ...ordered, ...reads, ...named }
}
