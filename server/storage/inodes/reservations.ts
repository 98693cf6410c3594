import { FileError } from '../../errors.js'
import type { Engine, TreeId } from '../parts/engine.js'

/** The most inode numbers one call sets aside. */
const MOST = 10_000

/** Sets aside consecutive inode numbers for later creates of this tree; answers the first. */
export function reserve(engine: Engine, tree: TreeId, count: number): number {
  if (!Number.isInteger(count) || count < 1 || count > MOST) {
    throw new FileError('EINVAL', `from 1 to ${MOST} inode numbers can be reserved at once`)
  }
  const first = engine.inos.take(count)
  engine.transactions.run(() =>
    engine.sql.insertReservation.run(first, first + count - 1, tree.id, engine.clock().sec),
  )
  return first
}

/** Within a transaction: takes a number out of what was reserved. @throws EEXIST, EINVAL */
export function claim(engine: Engine, tree: TreeId, ino: number): void {
  const { sql } = engine
  const now = engine.clock().sec
  // They are used in their order: then the first of a range is claimed, and it starts behind that.
  if (sql.claimFirst.run(now, ino, tree.id).changes > 0) return
  const range = sql.reservation.get(ino)
  if (range === undefined || range.last < ino || range.tree !== tree.id) {
    if (sql.inode.get(ino)?.tree === tree.id) {
      throw new FileError('EEXIST', `inode ${ino} is taken`)
    }
    throw new FileError('EINVAL', `inode ${ino} was not reserved for you; reserve it first`)
  }
  sql.deleteReservation.run(range.first)
  if (range.first < ino) sql.insertReservation.run(range.first, ino - 1, tree.id, now)
  if (range.last > ino) sql.insertReservation.run(ino + 1, range.last, tree.id, now)
}
