import type { RemoteFiles } from '../remote/remote-files.js'
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

/** The same files; whatever bears on what is being removed waits until it is. */
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
  const ordered = eachMethod(files, (name, ask) =>
    UNORDERED.has(name)
      ? undefined
      : (...parameters) =>
          removals.count === 0 ? ask(...parameters) : removals.all().then(() => ask(...parameters)),
  )
  return { ...ordered, ...reads }
}
