import { readdir } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { expect } from 'chai'
import { secretOf } from '../server/api/connection.js'
import {
  type Answer,
  type FileServer,
  startFileServer,
  unexpected,
} from '../server/api/file-server.js'
import { openChannel, type Result, results } from '../server/api/frames.js'
import { type Random, random } from './random.js'
import { batchBody, damaged, fields, json, METHODS, pieces, range, target } from './requests.js'

/** Requests of each kind; the full run is COFFER_FUZZ_ROUNDS=10000. */
const ROUNDS = Number(process.env.COFFER_FUZZ_ROUNDS ?? 1000)
const SEED = Number(process.env.COFFER_FUZZ_SEED ?? Date.now() % 2 ** 32)
const AT_ONCE = 16

describe(`the file API under ${ROUNDS} bad requests of each kind (seed ${SEED})`, () => {
  let server: FileServer
  let root: number
  before(async () => {
    server = await startFileServer({ limits: { uploadBytes: 10_000, jsonBytes: 10_000 } })
    root = (await server.send('HEAD', '/files')).attributes().ino
    await server.send('PUT', '/files/a', { body: '0123456789' })
    await server.send('POST', '/files/d')
  })
  after(() => server.close())

  type Make = (random: Random) => [method: string, target: string, headers?: object, body?: Buffer]
  const patchTypes = [
    'application/json',
    'application/octet-stream',
    'application/vnd.coffer.ranges',
    'application/vnd.coffer.zero+json',
    'application/vnd.coffer.copy+json',
  ]
  const kinds: Record<string, Make> = {
    paths: (random) => [random.one(METHODS), target(random), { Destination: '/files/x' }],
    'header fields': (random) => [
      random.one(METHODS),
      random.one(['/files/a', '/files/d', '/files/none', '/totals', '/files']),
      fields(random),
      random.bytes(30),
    ],
    ranges: (random) => ['GET', '/files/a', { Range: range(random) }],
    'PATCH bodies': (random) => {
      const type = random.one(patchTypes)
      const body = type.endsWith('json')
        ? Buffer.from(JSON.stringify(random.one([json(random), ...RANGE_BODIES])))
        : pieces(random)
      const headers = { 'Content-Type': type, 'Content-Range': `bytes 0-${body.length - 1}/*` }
      return ['PATCH', '/files/a', headers, damaged(random, body)]
    },
    'POST bodies': (random) => {
      const body = damaged(random, Buffer.from(JSON.stringify(json(random))))
      return ['POST', `/files/${random.below(50)}`, { 'Content-Type': 'application/json' }, body]
    },
    uploads: (random) => [
      'POST',
      `/files/${random.one(['a', 'd', 'new', 'none/x'])}`,
      { 'Tus-Resumable': '1.0.0', 'Upload-Length': random.one(['0', '9', 'x']), ...fields(random) },
      random.bytes(12),
    ],
    'batch bodies': (random) => {
      const headers = {
        'Content-Type': 'application/vnd.coffer.batch',
        'Coffer-Connection': random.one([secretOf('a'), secretOf('b'), '']),
      }
      return ['POST', '/batch', headers, batchBody(random, root)]
    },
  }

  for (const [name, make] of Object.entries(kinds)) {
    it(`answers each of the ${name} with its own fault`, async () => {
      const source = random(SEED)
      let left = ROUNDS
      const faults: unknown[] = []
      const send = async () => {
        while (left-- > 0 && faults.length === 0) {
          const [method, path, headers = {}, body] = make(source)
          const more = {
            headers: { 'Coffer-Durability': 'process', ...headers },
            ...(body && { body }),
          }
          const answer = await server.send(method, path, more)
          if (!isOwnFault(answer))
            faults.push([method, path, headers, body?.toString('base64'), answer.status])
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, send))
      expect([faults, unexpected]).to.deep.equal([[], []])
    })
  }

  it('answers in a channel what it answers in a batch', async () => {
    const source = random(SEED)
    const other = await startFileServer({ limits: { uploadBytes: 10_000 } })
    const alike = await startFileServer({ limits: { uploadBytes: 10_000 } })
    const outcome = ({ outcome, code }: Result) => `${outcome} ${code}`
    try {
      for (const at of [other, alike]) await at.send('PUT', '/files/a', { body: '0123456789' })
      for (let round = 0; round < ROUNDS; round++) {
        const name = secretOf(source.one(['a', 'b']))
        const fields = { 'Coffer-Connection': name, 'Coffer-Durability': 'process' }
        const body = batchBody(source, root)
        const headers = { 'Content-Type': 'application/vnd.coffer.batch', ...fields }
        const answer = await other.send('POST', '/batch', { headers, body })
        // what is wrong from the start is a status there
        const expected =
          answer.status === 200
            ? (await results(Readable.from([answer.body]))).map(outcome)
            : [`broken ${answer.problem().code}`]
        const { socket } = await openChannel(alike, fields)
        socket.end(body)
        const context = `${round} ${body.toString('base64')}`
        expect((await results(socket)).map(outcome), context).to.deep.equal(expected)
      }
      expect(unexpected).to.deep.equal([])
    } finally {
      await Promise.all([other.close(), alike.close()])
    }
  })

  it('leaves no file where none belongs', async () => {
    const names = await readdir(server.directory, { recursive: true, withFileTypes: true })
    const files = names.filter((entry) => entry.isFile()).map((entry) => entry.name)
    expect(
      files.filter((name) => !/^(coffer\.sqlite(-wal|-shm)?|[0-9a-f.]+)$/.test(name)),
    ).to.deep.equal([])
    expect((await server.send('GET', '/files')).status).to.equal(200)
  })
}).timeout(600_000)

/** What zeroes and copies ranges, as it should be. */
const RANGE_BODIES = [
  { offset: 1, bytes: 3, extend: true },
  { offset: 2 ** 52, bytes: 2 ** 52, extend: true },
  { from: { ino: 2, offset: 0 }, offset: 2, bytes: 4 },
]

/** An error names itself; only storage that is full is the server's. */
function isOwnFault({ status, headers, body }: Answer): boolean {
  if (status >= 500) return false
  const type = String(headers['content-type'] ?? '')
  return status < 400 || body.length === 0 || /^(application\/problem\+json|text\/html)/.test(type)
}
