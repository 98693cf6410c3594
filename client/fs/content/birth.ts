import type { WireAttributeChanges, WireAttributes } from '../../../server/wire/inodes.js'
import type { RemoteFiles, WriteOptions } from '../../remote/remote-files.js'
import { isTime } from '../time.js'

/** A new file that the server has not heard of yet. */
export interface Birth {
  readonly directory: number
  readonly name: string
  readonly attributes: WireAttributes
  /** O_TRUNC: should somebody else be first, then what they wrote is cut. */
  readonly truncates: boolean
  /** O_EXCL, decided here: should somebody else be first all the same, then this one is lost. */
  readonly isExclusive: boolean
}

/** One request for a new file: content, owner, mode, times. @throws RemoteError EEXIST if somebody else was first */
export function bear(
  files: RemoteFiles,
  { directory, name, attributes: planned }: Birth,
  pieces: readonly Buffer[],
  { changes, durability }: { changes: WireAttributeChanges } & Pick<WriteOptions, 'durability'>,
): Promise<WireAttributes> {
  const { atime, mtime } = changes
  const attributes = {
    mode: changes.mode ?? planned.mode,
    uid: changes.uid ?? planned.uid,
    gid: changes.gid ?? planned.gid,
    atime: isTime(atime) ? atime : planned.atime,
  }
  return files.put(directory, name, pieces, {
    mode: 'create',
    durability,
    attributes: isTime(mtime) ? { ...attributes, mtime } : attributes,
    ino: planned.ino,
  })
}
