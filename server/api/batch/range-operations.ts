import type { WireOperation } from '../../wire/operations.js'
import { withChange } from '../exchange/attempts.js'
import { wireAttributes } from '../exchange/attributes.js'
import { underLocks } from '../exchange/under-locks.js'
import { copiedRange, inodeNumber, offset, seekingFor, zeroRange } from '../input/schemas.js'
import { changeName, matching, type Operation, operation } from './operation.js'

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
    (context, { ino, offset: start, bytes, extend, ifMatch, change }) => {
      const range = { offset: start, length: bytes, extend }
      const origin = withChange(underLocks(context, ino), change)
      return context.tree.zero(ino, range, ifMatch, origin)
    },
  ),
  copyRange: operation(
    'write',
    { ...copiedRange, ifMatch: matching, change: changeName },
    async (context, { from, to, bytes, ifMatch, change }) => {
      const range = { from, to, length: bytes }
      const origin = withChange(underLocks(context, to.ino), change)
      const copied = await context.tree.copyRange(range, ifMatch, origin)
      const attributes = wireAttributes(copied.inode)
      return { header: { outcome: 'done', attributes, copied: copied.bytes } }
    },
  ),
}
