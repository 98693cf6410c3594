import type { WireAttributeChanges, WireAttributes } from '../../server/wire/inodes.js'
import { leftToOthers, permissionsIn } from '../permissions.js'
import type { RemoteFiles, RemotePart } from '../remote/remote-files.js'
import { hasCode } from '../remote-error.js'
import type { Pending } from './pending.js'
import type { Change, Seen } from './record.js'
import { changesContent, type UnsentFile } from './unsent-file.js'

/** What became of trying to send a change (docs/write-back.md, "Once, and only on what was seen"). */
export type Sent =
  | {
      readonly kind: 'sent'
      readonly now: WireAttributes | undefined
      /** What somebody else has done meanwhile, and stays as they did it. */
      readonly yielded?: readonly string[]
    }
  /** An earlier try had made this new file. Others may have moved or removed it since. */
  | { readonly kind: 'sent before'; readonly now: WireAttributes | undefined }
  /** Somebody else has the name of a new file, or removed its directory. */
  | { readonly kind: 'taken' }
  /** Somebody else changed or removed the file. */
  | { readonly kind: 'conflict'; readonly there: WireAttributes | undefined }

type Of<Kind extends Change['kind']> = Extract<Change, { kind: Kind }>

/** Longest stretch of a file that is searched for what may have been appended. */
const SEARCHED_BYTES = 32 << 20

/** @throws RemoteError for what may be tried again */
export async function sendChange(
  files: RemoteFiles,
  file: UnsentFile,
  pending: Pending,
  root: number,
): Promise<Sent> {
  switch (pending.change.kind) {
    case 'birth':
      return sendBirth(files, file, pending, pending.change, root)
    case 'write':
      return sendWrite(files, file, pending, pending.change, root)
    case 'attributes':
      return sendAttributes(files, file, pending, pending.change, root)
  }
}

async function sendBirth(
  files: RemoteFiles,
  file: UnsentFile,
  { data }: Pending,
  { attributes, ino, place }: Of<'birth'>,
  root: number,
): Promise<Sent> {
  const { directory, name } = file.place ?? place
  const content = [await data.whole()]
  const options = { mode: 'create', durability: 'process', attributes } as const
  try {
    return sent(await files.put(directory, name, content, { ...options, ino }))
  } catch (error) {
    if (!hasCode(error, 'EEXIST', 'EINVAL', 'ENOENT', 'ESTALE', 'ENOTDIR')) throw error
    const made = await inodeNow(files, ino)
    if (made === 'removed') return removed(files, file, root)
    if (made !== 'unknown') {
      const now = made.mtime === attributes.mtime ? made : changed(made)
      return { kind: 'sent before', now }
    }
    if (!hasCode(error, 'EINVAL')) return { kind: 'taken' }
  }
  // The number was set aside so long ago that it is free again.
  const made = await files.put(directory, name, content, options)
  file.target = made.ino
  return sent(made)
}

async function sendWrite(
  files: RemoteFiles,
  file: UnsentFile,
  pending: Pending,
  change: Of<'write'>,
  root: number,
): Promise<Sent> {
  const data = await pending.data.whole()
  const parts: RemotePart[] = []
  let at = 0
  for (const { offset, length } of change.parts) {
    parts.push({ offset, data: data.subarray(at, at + length) })
    at += length
  }
  const isAppending = change.parts.some(({ offset }) => offset === 'append')
  for (;;) {
    try {
      const condition = { ifMatch: file.seen.etag }
      const options = {
        durability: 'process',
        attributes: given(pending, file),
        ...condition,
        ...named(pending),
      } as const
      return sentAlone(await files.write(file.target, parts, options), file.seen)
    } catch (error) {
      if (!hasCode(error, 'ESTALE', 'ENOENT')) throw error
    }
    const there = await statOrNone(files, file.target)
    if (there === undefined) return removed(files, file, root)
    const made = await madeBefore(files, file, pending, there)
    if (made !== undefined) return sentAlone(made, file.seen)
    if (!isAppending) return { kind: 'conflict', there }
    // What another machine has appended may be the same, so this tells nothing of what was never sent.
    const mayStand = pending.tried.kind === 'perhaps before' && pending.tried.by === undefined
    if (mayStand && (await stands(files, there, file.endSeen, data))) return sent(there)
    file.seen = { ...file.seen, version: there.version, etag: there.etag }
    file.endSeen = there.size
    pending.journal?.note({
      kind: 'rebased',
      of: change.id,
      seen: file.seen,
      size: there.size,
    })
  }
}

async function sendAttributes(
  files: RemoteFiles,
  file: UnsentFile,
  pending: Pending,
  change: Of<'attributes'>,
  root: number,
): Promise<Sent> {
  const isSized = change.changes.size !== undefined
  const { atime, mtime, ...others } = given(pending, file)
  // Times that are late are not for what somebody else has written since.
  const areLate = pending.isLate && (atime !== undefined || mtime !== undefined)
  const condition = isSized || areLate ? { ifMatch: file.seen.etag } : {}
  try {
    const options = { ...condition, ...named(pending) }
    const now = await files.setAttributes(file.target, given(pending, file), options)
    return isSized ? sentAlone(now, file.seen) : sent(now)
  } catch (error) {
    if (!hasCode(error, 'ESTALE', 'ENOENT')) throw error
  }
  const there = await statOrNone(files, file.target)
  // Attributes of a file that is gone: nothing is lost.
  if (!isSized) {
    if (there === undefined) return { kind: 'sent', now: there }
    const isAll = Object.keys(others).length === 0
    const now = isAll ? there : await files.setAttributes(file.target, others, named(pending))
    return { kind: 'sent', now, yielded: areLate ? ['times'] : [] }
  }
  if (there === undefined) return removed(files, file, root)
  const made = await madeBefore(files, file, pending, there)
  return made === undefined ? { kind: 'conflict', there } : sentAlone(made, file.seen)
}

/**
 * A file that is gone: whoever removed it had all that was written here, or else what they had not seen is kept, with what it was written
 * on, which is here still.
 */
async function removed(files: RemoteFiles, { queue }: UnsentFile, root: number): Promise<Sent> {
  for (const pending of queue) {
    if (pending.change.kind === 'birth' || !changesContent(pending.change)) continue
    // Any inode that is there will do to ask by.
    const isMade = (await foundMade(files, root, pending)) !== undefined
    if (!isMade) return { kind: 'conflict', there: undefined }
  }
  return { kind: 'sent before', now: undefined }
}

/** The same name in each try, so that none is taken for another's. */
function named({ name, tried }: Pending): { change?: string } {
  if (name !== undefined) return { change: name }
  return tried.kind === 'without answer' ? { change: tried.change } : {}
}

/** The file as it is now, if an earlier try has made this change of its content. */
async function madeBefore(
  files: RemoteFiles,
  { target, seen }: UnsentFile,
  pending: Pending,
  there: WireAttributes,
): Promise<WireAttributes | undefined> {
  const { change, tried } = pending
  const isLeft = tried.kind === 'perhaps before' && change.kind !== 'birth'
  if (isLeft && isOurs(there, seen, change.changes.mtime)) return there
  return foundMade(files, target, pending)
}

/** Asks the server. @returns the inode that it is asked by, if it has made the change */
async function foundMade(
  files: RemoteFiles,
  ino: number,
  { name = '', tried }: Pending,
): Promise<WireAttributes | undefined> {
  switch (tried.kind) {
    case 'never':
      return undefined
    case 'without answer':
      return files.made?.(ino, tried.change)
    case 'perhaps before':
      // It may have been tried by this mount, too.
      for (const by of [undefined, ...(tried.by ?? [])]) {
        const made = await files.made?.(ino, name, by)
        if (made !== undefined) return made
      }
      return undefined
  }
}

/** Each change of ours makes one version, and its time is exact to a random nanosecond. */
function isOurs(there: WireAttributes, seen: Seen, mtime: string | undefined): boolean {
  return there.version === seen.version + 1 && there.mtime === mtime
}

/** Somebody else changed it since: what was to follow meets a conflict. */
function changed(there: WireAttributes): WireAttributes {
  return { ...there, version: -1, etag: '"unseen"' }
}

/** Whether the bytes stand somewhere behind the end that the file had. */
async function stands(
  files: RemoteFiles,
  there: WireAttributes,
  before: number,
  data: Buffer,
): Promise<boolean> {
  const start = Math.max(before, there.size - SEARCHED_BYTES)
  if (there.size - start < data.length) return false
  const tail = await files.read(there.ino, start, there.size - start)
  return tail.data.includes(data)
}

/** What is late leaves mode and owner as somebody else has set them since. */
function given(pending: Pending, { seen }: UnsentFile): WireAttributeChanges {
  if (pending.change.kind === 'birth') return {}
  const { changes } = pending.change
  const all = Object.entries(changes).filter(([, value]) => value !== undefined)
  const isOnlyAsSeen = pending.isLate && permissionsIn(changes).length > 0
  const { permissions } = seen
  const condition = isOnlyAsSeen && permissions !== undefined ? { permissions } : {}
  return { ...Object.fromEntries(all), ...condition }
}

/** Of mode and owner that were set late: what somebody else has set since, and stays. */
export function permissionsLeft({ change, isLate }: Pending, now: WireAttributes): string[] {
  return isLate && change.kind !== 'birth' ? leftToOthers(change.changes, now) : []
}

function sent(now: WireAttributes): Sent {
  return { kind: 'sent', now }
}

/** After a lost answer somebody else may have changed it since. */
function sentAlone(now: WireAttributes, seen: Seen): Sent {
  return sent(now.version > seen.version + 1 ? changed(now) : now)
}

export async function statOrNone(
  files: RemoteFiles,
  ino: number,
): Promise<WireAttributes | undefined> {
  const now = await inodeNow(files, ino)
  return typeof now === 'string' ? undefined : now
}

/** `removed`: there was such an inode; `unknown`: there never was, as far as the server remembers. */
export async function inodeNow(
  files: RemoteFiles,
  ino: number,
): Promise<WireAttributes | 'removed' | 'unknown'> {
  try {
    return await files.stat(ino)
  } catch (error) {
    if (hasCode(error, 'ESTALE')) return 'removed'
    if (hasCode(error, 'ENOENT')) return 'unknown'
    throw error
  }
}
