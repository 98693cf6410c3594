import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { AnswerParser } from '../../../client/http/answer-parser.js'
import type { Answer } from '../../../client/http/exchange.js'
import { LENT_BYTES, LentBuffers } from '../../../client/http/lent-buffers.js'

const LIMIT = 4 << 20

/** The answer in pieces of some size, each overwritten once it was taken in. */
function parsed(text: string | Buffer, pieceBytes: number, limit = LIMIT): Answer | undefined {
  const parser = new AnswerParser(new LentBuffers(), limit)
  const whole = Buffer.from(text)
  const memory = Buffer.alloc(pieceBytes)
  for (let at = 0; at < whole.length; at += pieceBytes) {
    const piece = memory.subarray(0, whole.copy(memory, 0, at, at + pieceBytes))
    const answer = parser.take(piece)
    memory.fill(0xaa)
    if (answer !== undefined && at + pieceBytes < whole.length) throw new Error('too early')
    if (answer !== undefined) return answer
  }
  return undefined
}

function refused(text: string, limit = LIMIT): unknown {
  try {
    return parsed(text, text.length, limit)
  } catch (error) {
    return (error as { kind?: unknown }).kind
  }
}

describe('an answer of HTTP/1.1 (RFC 9112)', () => {
  const ok = 'HTTP/1.1 200 OK\r\n'
  const bodies: [what: string, text: string, body: string][] = [
    ['of an announced length', `${ok}Content-Length: 5\r\n\r\nhello`, 'hello'],
    ['of no length', `${ok}content-length: 0\r\n\r\n`, ''],
    ['without content', 'HTTP/1.1 204 No Content\r\n\r\n', ''],
    ['without a reason', 'HTTP/1.1 206\r\nContent-Length: 2\r\n\r\nok', 'ok'],
    ['after an interim one', `HTTP/1.1 100 Continue\r\n\r\n${ok}Content-Length: 1\r\n\r\nx`, 'x'],
    [
      'in chunks',
      `${ok}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n`,
      'hello!',
    ],
  ]
  for (const [what, text, body] of bodies) {
    it(`${what} is read in pieces of any size`, () => {
      for (const pieceBytes of [1, 3, 7, text.length]) {
        expect(parsed(text, pieceBytes)?.body.toString(), `${pieceBytes}`).to.equal(body)
      }
    })
  }

  it('in chunks of single bytes takes not much more memory than these, and is read through once', () => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    const bytes = 1 << 20
    const chunks = Buffer.from('1\r\nx\r\n'.repeat(bytes))
    const parser = new AnswerParser(new LentBuffers(), bytes)
    parser.take(Buffer.from(`${ok}Transfer-Encoding: chunked\r\n\r\n`))
    collect()
    const before = process.memoryUsage().heapUsed
    // to search all that has come for each of them would take hours
    expect(parser.take(chunks)).to.equal(undefined)
    collect()
    expect(process.memoryUsage().heapUsed - before).to.be.below(4 * bytes)
    expect(parser.take(Buffer.from('0\r\n\r\n'))?.body).to.deep.equal(Buffer.alloc(bytes, 'x'))
  }).timeout(60_000)

  it('has its status and its fields, by names in small letters', () => {
    const answer = parsed('HTTP/1.1 404 Not Found\r\nETag:  "a" \r\nContent-Length: 0\r\n\r\n', 9)
    expect(answer).to.deep.include({ status: 404 })
    expect(answer?.headers).to.deep.equal({ etag: '"a"', 'content-length': '0' })
  })

  it('is not whole before its last byte', () => {
    expect(parsed(`${ok}Content-Length: 6\r\n\r\nhello`, 4)).to.equal(undefined)
    expect(parsed(`${ok}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n`, 4)).to.equal(undefined)
  })

  const nonsense: [what: string, text: string][] = [
    ['what is no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
    ['a line that is no field', `${ok}no field\r\n\r\n`],
    ['no length', `${ok}\r\n`],
    ['a length that is no number', `${ok}Content-Length: -1\r\n\r\n`],
    ['another coding', `${ok}Transfer-Encoding: gzip\r\n\r\n`],
    ['a chunk without a size', `${ok}Transfer-Encoding: chunked\r\n\r\nzz\r\n`],
    ['a chunk longer than announced', `${ok}Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n`],
    ['more than announced', `${ok}Content-Length: 1\r\n\r\nxy`],
    ['bytes behind an answer', `${ok}Content-Length: 0\r\n\r\nx`],
    ['a head without end', `${ok}x: ${'y'.repeat(70_000)}`],
  ]
  for (const [what, text] of nonsense) {
    it(`refuses ${what}`, () => expect(refused(text)).to.equal('lost'))
  }

  it('refuses more than was asked for, announced or not', () => {
    expect(refused(`${ok}Content-Length: 9\r\n\r\n`, 8)).to.equal('oversized')
    const chunks = `${ok}Transfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n`
    expect(refused(chunks, 8)).to.equal('oversized')
  })
})

describe('memory for long answers', () => {
  it('is used again once it was given back, and only once', () => {
    const buffers = new LentBuffers()
    const first = buffers.take(LENT_BYTES)
    const second = buffers.take(LENT_BYTES)
    expect(second.data.buffer).not.to.equal(first.data.buffer)
    first.release?.()
    first.release?.()
    expect(buffers.take(LENT_BYTES).data.buffer).to.equal(first.data.buffer)
    expect(buffers.take(LENT_BYTES).data.buffer).not.to.equal(first.data.buffer)
  })
})
