import { expect } from 'chai'
import { FileError } from '../../../server/errors.js'
import { attachment } from '../../../server/http/content-disposition.js'
import { parseContentRange } from '../../../server/http/content-range.js'
import { destinationPath, parseDepth, parseFlag } from '../../../server/http/destination.js'

/** The outcome of a parser: its value, or the code it refuses with. */
function outcome(parse: () => unknown): unknown {
  try {
    return parse()
  } catch (error) {
    return error instanceof FileError ? error.code : error
  }
}

describe('Content-Range of a request (RFC 9110 section 14.5)', () => {
  const rows: [field: string, expected: unknown][] = [
    ['bytes 0-0/*', { first: 0, last: 0 }],
    ['bytes 5-9/10', { first: 5, last: 9 }],
    ['Bytes 4294967296-4294967297/*', { first: 4294967296, last: 4294967297 }],
    ['bytes 5-4/*', 'EINVAL'],
    ['bytes 5-9/9', 'EINVAL'],
    ['bytes */10', 'EINVAL'],
    ['bytes=0-1/*', 'EINVAL'],
    ['bytes 0-1', 'EINVAL'],
    ['lines 0-1/*', 'EINVAL'],
    ['bytes 0-9007199254740991/*', { first: 0, last: 9007199254740991 }],
    ['bytes 0-9007199254740992/*', 'EFBIG'],
    ['', 'EINVAL'],
  ]
  for (const [field, expected] of rows) {
    it(field || 'nothing', () => {
      expect(outcome(() => parseContentRange(field))).to.deep.equal(expected)
    })
  }
})

describe('Destination (RFC 4918 section 10.3)', () => {
  const rows: [field: string | undefined, expected: string][] = [
    ['/files/a', '/files/a'],
    ['/files/a%20b', '/files/a%20b'],
    ['https://here:8443/files/a', '/files/a'],
    ['HTTPS://HERE:8443/files/a', '/files/a'],
    // not normalised: the path's parser must see it
    ['https://here:8443/files/../a', '/files/../a'],
    ['/files/%2e%2e/a', '/files/%2e%2e/a'],
    ['https://elsewhere/files/a', 'EINVAL'],
    ['https://here:8443@elsewhere/files/a', 'EINVAL'],
    ['https://here:8443', 'EINVAL'],
    ['files/a', 'EINVAL'],
    ['/files/a?x', 'EINVAL'],
    ['/files/a#x', 'EINVAL'],
    ['ftp://here:8443/files/a', 'EINVAL'],
    ['', 'EINVAL'],
    [undefined, 'EINVAL'],
  ]
  for (const [field, expected] of rows) {
    it(String(field), () => {
      expect(outcome(() => destinationPath(field, ['https://here:8443']))).to.equal(expected)
    })
  }
})

describe('Overwrite and Depth (RFC 4918 sections 10.6 and 9.8.3)', () => {
  const flags: [field: string | undefined, expected: string][] = [
    [undefined, 'T'],
    ['T', 'T'],
    ['f', 'F'],
    ['true', 'EINVAL'],
    ['', 'EINVAL'],
  ]
  for (const [field, expected] of flags) {
    it(`Overwrite: ${field}`, () => {
      expect(outcome(() => parseFlag('Overwrite', field, 'T'))).to.equal(expected)
    })
  }
  const depths: [field: string | undefined, expected: string][] = [
    [undefined, 'infinity'],
    ['0', '0'],
    ['Infinity', 'infinity'],
    ['1', 'EINVAL'],
  ]
  for (const [field, expected] of depths) {
    it(`Depth: ${field}`, () => {
      expect(outcome(() => parseDepth(field))).to.equal(expected)
    })
  }
})

describe('attachment (RFC 6266, RFC 8187)', () => {
  const rows: [name: string, expected: string][] = [
    ['a.txt', `attachment; filename="a.txt"; filename*=UTF-8''a.txt`],
    ['€ 1.txt', `attachment; filename="_ 1.txt"; filename*=UTF-8''%E2%82%AC%201.txt`],
    ['a"\\%b', `attachment; filename="a___b"; filename*=UTF-8''a%22%5C%25b`],
    ["(it's)*", `attachment; filename="(it's)*"; filename*=UTF-8''%28it%27s%29%2A`],
    ['a\r\nX: y', `attachment; filename="a__X: y"; filename*=UTF-8''a%0D%0AX%3A%20y`],
    ['😀', `attachment; filename="_"; filename*=UTF-8''%F0%9F%98%80`],
  ]
  for (const [name, expected] of rows) {
    it(JSON.stringify(name), () => {
      expect(attachment(name)).to.equal(expected)
    })
  }
})
