import { type InodeRow, rowWith } from '../../database/files/inode-rows.js'
import { FileError } from '../../errors.js'
import type { Timespec } from '../parts/clock.js'
import type { Engine, TreeId } from '../parts/engine.js'
import { placeOf } from '../parts/place.js'
import { NOTHING_USED, type Usage } from '../parts/usage.js'
import type { AttributeChanges, Ino, Nanoseconds, Origin, Precondition } from '../storage.js'
import { inodeRow, mustHold } from './access.js'
import { changed, permitted, S_IFMT, typeOf, withoutPrivileges } from './inode.js'
import { checkAttributes, checkedTime } from './new-inode.js'

/** chmod(2), chown(2), utimensat(2) in one step; not truncate(2), which is in resize.ts. */
export function setAttributes(
  engine: Engine,
  tree: TreeId,
  ino: Ino,
  changes: AttributeChanges,
  precondition: Precondition,
  origin: Origin,
): InodeRow {
  checkAttributes(changes)
  const now = engine.clock()
  return engine.transactions.run(() => {
    const row = inodeRow(engine, tree, ino)
    mustHold(precondition, row)
    const after = withChanges(row, asSeen(row, changes), now)
    if (after === row) return row
    engine.sql.updateInode.run(after)
    noteAttributes(engine, tree, ino, NOTHING_USED, origin)
    return after
  })
}

/** Within a transaction: notes that attributes of an inode changed. */
export function noteAttributes(
  engine: Engine,
  tree: TreeId,
  ino: Ino,
  usage: Usage,
  origin: Origin,
): void {
  const change = { kind: 'attributes', ino, place: placeOf(engine, ino) } as const
  engine.log.note(tree.id, change, usage, origin)
}

/** What is to be done of changes: of mode and owner nothing, if somebody has set them since they were seen. */
export function asSeen(row: InodeRow, changes: AttributeChanges): AttributeChanges {
  const { permissions, ...all } = changes
  if (permissions === undefined || permissions === row.permissions) return all
  const { mode: _mode, uid: _uid, gid: _gid, ...others } = all
  return others
}

/** A row with changes of mode, owner and times; the same row if there are none. @throws EINVAL, ENOTSUP */
export function withChanges(row: InodeRow, changes: AttributeChanges, now: Timespec): InodeRow {
  const { mode, uid, gid, atime, mtime } = changes
  if ([mode, uid, gid, atime, mtime].every((value) => value === undefined)) return row
  if (mode !== undefined && typeOf(row) === 'symlink') {
    throw new FileError('ENOTSUP', 'the mode of a symlink cannot be changed')
  }
  const owned = uid === undefined && gid === undefined ? row.mode : withoutPrivileges(row.mode)
  const a = atime === undefined ? undefined : time(atime, now)
  const m = mtime === undefined ? undefined : time(mtime, now)
  const isSet = mode !== undefined || uid !== undefined || gid !== undefined
  const set = {
    mode: mode === undefined ? owned : (row.mode & S_IFMT) | mode,
    uid: uid ?? row.uid,
    gid: gid ?? row.gid,
  }
  const times = {
    atime_sec: a?.sec ?? row.atime_sec,
    atime_nsec: a?.nsec ?? row.atime_nsec,
    mtime_sec: m?.sec ?? row.mtime_sec,
    mtime_nsec: m?.nsec ?? row.mtime_nsec,
  }
  if (!isSet) return rowWith(row, changed(now), times)
  return rowWith(row, changed(now), times, permitted(row, set))
}

function time(value: Nanoseconds | 'now', now: Timespec): Timespec {
  return value === 'now' ? now : checkedTime(value)
}
