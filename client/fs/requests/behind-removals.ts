import type { RemoteFiles } from '../../remote/remote-files.js'
import { eachMethod } from './each-method.js'
import type { Removals } from './removals.js'

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

/** What the server can be asked for right behind removals, where the files keep that order. */
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

/** The same files; whatever bears on what is being removed comes after it. */
export function behindRemovals(files: RemoteFiles, removals: Removals): RemoteFiles {
  const about = async <T>(ino: number, ask: () => Promise<T>): Promise<T> => {
    if (removals.count > 0) await removals.about(ino)
    return ask()
  }
  const reads: Pick<RemoteFiles, 'stat' | 'lookup' | 'list'> = {
    stat: (ino, signal) => about(ino, () => files.stat(ino, signal)),
    lookup: (directory, name, signal) =>
      about(directory, () => files.lookup(directory, name, signal)),
    async *list(directory, ...rest) {
      if (removals.count > 0) await removals.about(directory)
      yield* files.list(directory, ...rest)
    },
  }
  const following = files.keepsOrder === true ? FOLLOWING : NONE
  const ordered = eachMethod(files, (name, ask) => {
    if (UNORDERED.has(name)) return undefined
    return (...parameters) => {
      if (removals.count === 0) return ask(...parameters)
      if (following.has(name)) return removals.followedBy(() => ask(...parameters))
      return removals.all().then(() => ask(...parameters))
    }
  })
  // Were the answer to the removal lost, by the inode at that name nobody could tell whether it was done.
  const isTaken = (directory: number, name: string) => removals.isUnderWayAt(directory, name)
  const named: Pick<RemoteFiles, 'link' | 'rename'> = {
    async link(ino, directory, name, options) {
      if (isTaken(directory, name)) await removals.all()
      return ordered.link(ino, directory, name, options)
    },
    async rename(from, to, options) {
      if (isTaken(to.directory, to.name)) await removals.all()
      return ordered.rename(from, to, options)
    },
  }
  return { ...ordered, ...reads, ...named }
}
