import type { WireAttributes, WireTime } from '../../server/wire/inodes.js'

/** What a change of a name does to its directory. */
export interface NameChange {
  /** Of the directory, too. */
  readonly time: WireTime
  readonly subdirectories: -1 | 0 | 1
}

/** @returns undefined if the directory, as it was told, may have the change already */
export function changedBy(
  directory: WireAttributes,
  { time, subdirectories }: NameChange,
): WireAttributes | undefined {
  if (!isLater(time, directory.ctime)) return subdirectories === 0 ? directory : undefined
  return { ...directory, mtime: time, ctime: time, nlink: directory.nlink + subdirectories }
}

/** Of times with as many digits, as all of our days have, the digits tell. */
function isLater(time: WireTime, than: WireTime): boolean {
  if (time.length === than.length && !time.startsWith('-')) return time > than
  return BigInt(time) > BigInt(than)
}
