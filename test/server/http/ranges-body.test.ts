import { expect } from 'chai'
import { FileError } from '../../../server/errors.js'
import { rangesBody } from '../../../server/http/ranges-body.js'

const AT_THE_END = 0xffff_ffff_ffff_ffffn

function piece(offset: bigint, data: string, length = data.length): Buffer {
  const header = Buffer.alloc(12)
  header.writeBigUInt64BE(offset, 0)
  header.writeUInt32BE(length, 8)
  return Buffer.concat([header, Buffer.from(data)])
}

/** Decodes a body that comes `size` bytes in a buffer, `together` of these at a time, and joins what belongs together. */
async function decode(body: Buffer, size: number, together = 1): Promise<unknown> {
  async function* source() {
    const come: Buffer[] = []
    for (let at = 0; at < body.length; at += size) come.push(body.subarray(at, at + size))
    while (come.length > 0) yield come.splice(0, together)
  }
  const text: string[] = []
  try {
    for await (const pieces of rangesBody(source())) {
      for (const { offset, data } of pieces) {
        for (const [index, byte] of data.entries()) {
          text.push(`${offset === 'append' ? offset : offset + index}:${String.fromCharCode(byte)}`)
        }
      }
    }
  } catch (error) {
    return error instanceof FileError ? error.code : error
  }
  return text.join(' ')
}

describe('application/vnd.coffer.ranges', () => {
  const rows: [name: string, body: Buffer, expected: string][] = [
    ['nothing', Buffer.alloc(0), ''],
    ['one piece', piece(3n, 'abc'), '3:a 4:b 5:c'],
    ['two pieces', Buffer.concat([piece(9n, 'ab'), piece(0n, 'c')]), '9:a 10:b 0:c'],
    ['an empty piece', Buffer.concat([piece(9n, ''), piece(0n, 'c')]), '0:c'],
    ['a piece at the end', piece(AT_THE_END, 'ab'), 'append:a append:b'],
    ['an offset beyond 2^32', piece(4294967296n, 'a'), '4294967296:a'],
    ['an offset beyond 2^53', piece(9007199254740991n, 'a'), 'EFBIG'],
    ['a body cut off in a piece', piece(0n, 'ab', 3), 'EINVAL'],
    ['a body cut off in a header', piece(0n, '').subarray(0, 5), 'EINVAL'],
  ]
  for (const [name, body, expected] of rows) {
    it(`decodes ${name}, however it is cut`, async () => {
      for (const size of [1, 2, 5, 12, 13, 1000]) {
        for (const together of [1, 3, 1000])
          expect(await decode(body, size, together)).to.equal(expected)
      }
    })
  }
})
