import type { NewAttributes, NewInode } from '../../storage/storage.js'
import type { NewInodeRequest } from './schemas.js'

const DEFAULT_MODES: Partial<Record<NewInode['type'], number>> = {
  directory: 0o755,
  symlink: 0o777,
}
const DEFAULT_MODE = 0o644

export function newInodeOf(wanted: NewInodeRequest): NewInode {
  switch (wanted.type) {
    case 'symlink':
      return { type: wanted.type, target: wanted.target }
    case 'chardev':
    case 'blockdev':
      return { type: wanted.type, rdev: wanted.rdev }
    case 'directory':
    case 'file':
    case 'fifo':
    case 'socket':
      return { type: wanted.type }
  }
}

/** The defaults of docs/file-api.md for what the request does not say. A symlink's permissions are never looked at. */
export function completed(
  { type }: Pick<NewInode, 'type'>,
  attributes: Partial<NewAttributes>,
): NewAttributes {
  const { mode = DEFAULT_MODES[type] ?? DEFAULT_MODE, uid = 0, gid = 0 } = attributes
  return { ...attributes, mode, uid, gid }
}
