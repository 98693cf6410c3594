import type { WireOperation } from '../wire-operations.js'
import { withChange } from './attempts.js'
import { wireAttributes } from './attributes.js'
import { changeName, matching, type Operation, operation } from './batch-operation.js'
import { copiedRange, inodeNumber, offset, seekingFor, zeroRange } from './schemas.js'

/** The operations of POST /batch on ranges of files whose bytes are not sent (docs/file-api.md). */

type RangeOperation = 'seek' | 'zero' | 'copyRange'

export const RANGE_OPERATIONS: {
  readonly [Op in Extract<WireOperation['op'], RangeOperation>]: Operation
} = {
  seek: operation(
    'read',
    { ino: inodeNumber, offset, what: seekingFor },
    async ({ tree }, { ino, offset: start, what }) => {
      const found = await tree.seek(ino, start, what)
      return { header: { outcome: 'done', ...(found !== undefined && { offset: found }) } }
    },
  ),
  zero: operation(
    'write',
    { ino: inodeNumber, ...zeroRange, ifMatch: matching, change: changeName },
    ({ tree, origin, locks }, { ino, offset: start, bytes, extend, ifMatch, change }) => {
      locks.refuseFenced(tree.owner, origin.connection, ino)
      const range = { offset: start, length: bytes, extend }
      return tree.zero(ino, range, ifMatch, withChange(origin, change))
    },
  ),
  copyRange: operation(
    'write',
    { ...copiedRange, ifMatch: matching, change: changeName },
    async ({ tree, origin, locks }, { from, to, bytes, ifMatch, change }) => {
      locks.refuseFenced(tree.owner, origin.connection, to.ino)
      const range = { from, to, length: bytes }
      const copied = await tree.copyRange(range, ifMatch, withChange(origin, change))
      const attributes = wireAttributes(copied.inode)
      return { header: { outcome: 'done', attributes, copied: copied.bytes } }
    },
  ),
}
