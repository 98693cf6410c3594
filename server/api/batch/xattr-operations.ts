import { z } from 'zod'
import { FileError } from '../../errors.js'
import { overwrite } from '../../storage/storage.js'
import type { WireOperation } from '../../wire/operations.js'
import { inodeNumber as ino, xattrMode } from '../input/schemas.js'
import { MAX_VALUE_BYTES } from '../methods/xattrs.js'
import { type Operation, operation } from './operation.js'

/** The operations of POST /batch on extended attributes (docs/file-api.md). */

type XattrOperation = 'getXattr' | 'listXattrs' | 'setXattr' | 'removeXattr'

const name = z.string()

export const XATTR_OPERATIONS: {
  readonly [Op in Extract<WireOperation['op'], XattrOperation>]: Operation
} = {
  getXattr: operation('read', { ino, name }, async ({ tree }, fields) => ({
    header: { outcome: 'done' },
    content: await tree.getXattr(fields.ino, fields.name),
  })),
  listXattrs: operation('read', { ino }, async ({ tree }, fields) => ({
    header: { outcome: 'done', names: await tree.listXattrs(fields.ino) },
  })),
  setXattr: operation(
    'write',
    { ino, name, mode: xattrMode },
    async ({ tree, origin, content }, { ino, name, mode }) =>
      tree.setXattr(ino, name, await xattrValue(content), mode, overwrite, origin),
  ),
  removeXattr: operation('write', { ino, name }, ({ tree, origin }, fields) =>
    tree.removeXattr(fields.ino, fields.name, overwrite, origin),
  ),
}

async function xattrValue(source: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of source) {
    size += chunk.length
    if (size > MAX_VALUE_BYTES) {
      throw new FileError('E2BIG', `a value has at most ${MAX_VALUE_BYTES} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
