import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { encodeFrame, FrameError, FrameQueue, FrameReader } from '../../../server/wire/frames.js'

/** A body that comes `size` bytes at a time. */
async function* cut(body: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size)
}

async function read(body: Buffer, size: number): Promise<unknown> {
  const reader = new FrameReader(cut(body, size), 1000)
  const frames: unknown[] = []
  try {
    for (let frame = await reader.next(); frame !== undefined; frame = await reader.next()) {
      const chunks: Buffer[] = []
      for await (const chunk of frame.content) chunks.push(chunk)
      frames.push([frame.header, Buffer.concat(chunks).toString()])
    }
  } catch (error) {
    if (!(error instanceof FrameError)) throw error
    return 'broken'
  }
  return frames
}

function framed(json: string, rest = ''): Buffer {
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32BE(Buffer.byteLength(json))
  return Buffer.concat([prefix, Buffer.from(json), Buffer.from(rest)])
}

describe('frames of POST /batch', () => {
  const two = Buffer.concat([
    encodeFrame({ op: 'a', name: 'ä' }),
    encodeFrame({ op: 'b' }, Buffer.from('content')),
    encodeFrame({ op: 'c' }, Buffer.alloc(0)),
  ])
  const rows: [name: string, body: Buffer, expected: unknown][] = [
    ['nothing', Buffer.alloc(0), []],
    [
      'frames with and without content',
      two,
      [
        [{ op: 'a', name: 'ä' }, ''],
        [{ op: 'b', length: 7 }, 'content'],
        [{ op: 'c' }, ''],
      ],
    ],
    ['a frame cut off in its content', two.subarray(0, 40), 'broken'],
    ['a frame cut off in its header', two.subarray(0, 10), 'broken'],
    ['a frame cut off in its prefix', two.subarray(0, 2), 'broken'],
    ['a header that is too long', framed(`{"a":"${'x'.repeat(1000)}"}`), 'broken'],
    ['a header that is no JSON', framed('{'), 'broken'],
    ['a header that is empty', framed(''), 'broken'],
    ['a header that is an array', framed('[]'), 'broken'],
    ['a header that is null', framed('null'), 'broken'],
    ['a negative length', framed('{"length":-1}'), 'broken'],
    ['a length that is text', framed('{"length":"1"}', 'x'), 'broken'],
    ['a length beyond 2^53', framed('{"length":1e300}'), 'broken'],
  ]
  for (const [name, body, expected] of rows) {
    it(`reads ${name}, however it is cut`, async () => {
      for (const size of [1, 3, 4, 7, 1000]) expect(await read(body, size)).to.deep.equal(expected)
    })
  }

  it('refuses a header that is no UTF-8', async () => {
    expect(await read(Buffer.concat([Buffer.from([0, 0, 0, 1]), Buffer.from([255])]), 9)).to.equal(
      'broken',
    )
  })

  it('skips content that nobody reads', async () => {
    const reader = new FrameReader(cut(two, 5))
    const ops: unknown[] = []
    for (let frame = await reader.next(); frame !== undefined; frame = await reader.next()) {
      ops.push(frame.header.op)
    }
    expect(ops).to.deep.equal(['a', 'b', 'c'])
  })
})

describe('frames that come in single bytes', () => {
  it('take not much more memory than their bytes', () => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    const content = Buffer.alloc(200_000, 'x')
    const frame = encodeFrame({ op: 'put' }, content)
    const queue = new FrameQueue(1000, content.length)
    collect()
    const before = process.memoryUsage().heapUsed
    for (const byte of frame.subarray(0, -1)) {
      queue.push(Buffer.from([byte]))
      expect(queue.next()).to.equal(undefined)
    }
    collect()
    // A Buffer for each would be a hundred times as much.
    expect(process.memoryUsage().heapUsed - before).to.be.below(4_000_000)
    queue.push(frame.subarray(-1))
    expect(queue.next()?.content).to.deep.equal(content)
    expect(queue.size).to.equal(0)
  }).timeout(20_000)

  it('are put together no oftener than they grow, and others not before they are taken', () => {
    const queue = new FrameQueue(1000, 1)
    queue.push(encodeFrame({ op: 'put', length: 1_400_000 }))
    expect(queue.next()?.content).to.equal(undefined)
    const pieces = Array.from({ length: 1000 }, () => Buffer.alloc(1400))
    for (const piece of pieces) queue.push(piece)
    expect(queue.some(1400).buffer).to.equal(pieces[0]?.buffer)
  })
})
