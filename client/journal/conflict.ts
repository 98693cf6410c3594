import { NAME_MAX } from '../../server/wire/inodes.js'
import type { RemoteFiles } from '../remote/remote-files.js'
import { hasCode } from '../remote-error.js'
import type { Place } from './record.js'
import { inodeNow, statOrNone } from './send-change.js'
import type { PlannedCopy, UnsentFile } from './unsent-file.js'

export interface ConflictMount {
  readonly files: RemoteFiles
  /** Of what is mounted: where copies go whose own directory is gone. */
  readonly root: number
  readonly hostname: string
  now(): Date
}

const PIECE_BYTES = 1 << 20
const TRIES = 20

/** `NAME (conflict DATE HOST).EXT`, at most 255 bytes long. */
function conflictName(name: string, date: Date, hostname: string, attempt: number): string {
  const dot = name.lastIndexOf('.')
  const extension = dot > 0 && name.length - dot <= 16 ? name.slice(dot) : ''
  const stem = extension === '' ? name : name.slice(0, dot)
  const when = date.toISOString().slice(0, 19).replace('T', ' ').replaceAll(':', '')
  const host = hostname.replace(/[^A-Za-z0-9.-]/g, '').slice(0, 40)
  const mark = ` (conflict ${when} ${host}${attempt > 1 ? ` ${attempt}` : ''})${extension}`
  let short = stem
  while (Buffer.byteLength(short + mark) > NAME_MAX) short = [...short].slice(0, -1).join('')
  return short + mark
}

/** Another place for a new file whose name was taken, or whose directory is gone. */
export async function otherPlace(
  mount: ConflictMount,
  file: UnsentFile,
  attempt: number,
): Promise<Place> {
  const { directory, name } = file.place ?? { directory: mount.root, name: `inode ${file.ino}` }
  const above = await statOrNone(mount.files, directory)
  return {
    directory: above?.type === 'directory' ? directory : mount.root,
    name: conflictName(name, mount.now(), mount.hostname, attempt),
  }
}

/** Stores a file as programs see it here beside the one that somebody else changed. */
export async function copyBeside(
  mount: ConflictMount,
  file: UnsentFile,
  isThere: boolean,
): Promise<Place> {
  const { files } = mount
  const { mode, uid, gid, atime, mtime, size } = file.shown
  const fetch = async (offset: number, length: number) =>
    isThere ? (await files.read(file.target, offset, length)).data : Buffer.alloc(0)
  const content = {
    size,
    async *open() {
      for (let at = 0; at < size; at += PIECE_BYTES) {
        const length = Math.min(PIECE_BYTES, size - at)
        yield await file.read(at, length, fetch)
      }
    },
  }
  for (let attempt = 1; ; attempt++) {
    const copy = plannedBefore(file) ?? (await plannedCopy(mount, file, attempt))
    file.copy = copy
    const { ino, place } = copy
    try {
      const attributes = { mode, uid, gid, atime, mtime }
      await files.put(place.directory, place.name, content, {
        mode: 'create',
        durability: 'power',
        attributes,
        ino,
      })
      return place
    } catch (error) {
      if (!hasCode(error, 'EEXIST', 'EINVAL', 'ENOENT', 'ESTALE', 'ENOTDIR')) throw error
      // Made before, and perhaps moved or removed by others since.
      if ((await inodeNow(files, ino)) !== 'unknown') return place
      if (attempt === TRIES) throw error
      file.copy = undefined
    }
  }
}

/** What was written since is not in it, should it have been made. */
function plannedBefore({ copy, shown }: UnsentFile): PlannedCopy | undefined {
  return copy?.version === shown.version ? copy : undefined
}

async function plannedCopy(
  mount: ConflictMount,
  file: UnsentFile,
  attempt: number,
): Promise<PlannedCopy> {
  const place = await otherPlace(mount, file, attempt)
  const ino = await mount.files.reserve?.(1)
  if (ino === undefined) throw new Error('the server sets no inode numbers aside')
  const { version } = file.shown
  // Known again after loss of power: else there would be another copy.
  await file.queue[0]?.journal?.keep({ kind: 'copying', ino: file.ino, copy: ino, place, version })
  return { ino, place, version }
}
