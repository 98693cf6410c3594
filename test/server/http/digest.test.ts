import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { FileError } from '../../../server/errors.js'
import { parseDigests, verified, wantedDigest } from '../../../server/http/digest.js'

const base64 = (algorithm: string, text: string) =>
  createHash(algorithm).update(text).digest('base64')

async function verify(field: string, chunks: string[]): Promise<string> {
  async function* source() {
    for (const chunk of chunks) yield [Buffer.from(chunk)]
  }
  const passed: Buffer[] = []
  for await (const chunk of verified(source(), parseDigests('Content-Digest', field))) {
    passed.push(...chunk)
  }
  return Buffer.concat(passed).toString()
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'none'
  } catch (error) {
    return error instanceof FileError ? error.code : String(error)
  }
}

describe('Content-Digest (RFC 9530 section 2)', () => {
  it('lets content with the digests announced through', async () => {
    const field = `sha-256=:${base64('sha256', 'hello')}:, sha-512=:${base64('sha512', 'hello')}:`
    expect(await verify(field, ['hel', 'lo'])).to.equal('hello')
  })

  it('ignores algorithms it does not know', async () => {
    expect(await verify('md5=:AAAA:, unixsum=:AAA=:', ['hello'])).to.equal('hello')
  })

  const wrong: [field: string, why: string][] = [
    [`sha-256=:${base64('sha256', 'hallo')}:`, 'another content'],
    [`sha-512=:${base64('sha256', 'hello')}:`, 'another algorithm'],
    ['sha-256=::', 'an empty digest'],
    [`sha-256=:${base64('sha256', 'hello')}:, sha-512=:AAAA:`, 'one of two wrong'],
    [`sha-256=${base64('sha256', 'hello')}`, 'no byte sequence'],
    ['sha-256', 'no value'],
    [':AAAA:', 'no algorithm'],
  ]
  for (const [field, why] of wrong) {
    it(`refuses ${why}`, async () => {
      expect(await refusal(verify(field, ['hello']))).to.equal('EINVAL')
    })
  }
})

describe('Want-Repr-Digest (RFC 9530 section 4)', () => {
  const rows: [field: string | undefined, expected: string | undefined][] = [
    [undefined, undefined],
    ['sha-256=1', 'sha-256'],
    ['sha-256=3, sha-512=5', 'sha-512'],
    ['md5=10, sha-256=1', 'sha-256'],
    ['sha-256=0', undefined],
    ['sha-256=11', undefined],
    ['sha-256', undefined],
    ['', undefined],
  ]
  for (const [field, expected] of rows) {
    it(`${field} is ${expected}`, () => {
      expect(wantedDigest(field)).to.equal(expected)
    })
  }
})
