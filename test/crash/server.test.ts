import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { type FileApi, fileApi } from '../support/files.js'
import { login } from '../support/login.js'
import { outcome } from '../support/process.js'
import { program } from '../support/program.js'
import { startServer, type TestServer } from '../support/server.js'

/** The full run is COFFER_TEST_CRASH_ROUNDS=200. */
const ROUNDS = Number(process.env.COFFER_TEST_CRASH_ROUNDS ?? 8)
const WRITERS = 6
const FILES = 4

/** What a file may be found to hold; undefined: nothing is there. */
type Content = Buffer | undefined

/** A file that one writer alone changes: what was acknowledged last, and what was asked for since. */
interface Tracked {
  readonly path: string
  acknowledged: Content
  asked: { readonly content: Content } | undefined
}

/** Repeatable choices. */
function chooser(seed: string): (below: number) => number {
  let count = 0
  return (below) =>
    createHash('sha256').update(`${seed} ${count++}`).digest().readUInt32BE() % below
}

/** Bytes that belong to this write and no other. */
function bytes(label: string, length: number): Buffer {
  const block = createHash('sha512').update(label).digest()
  return Buffer.alloc(length, block)
}

/** One change of a file, acknowledged or broken off by the crash. */
async function change(
  api: FileApi,
  file: Tracked,
  label: string,
  choose: (below: number) => number,
): Promise<void> {
  const ask = async (
    content: Content,
    method: string,
    path: string,
    options: Parameters<FileApi['send']>[2],
  ): Promise<void> => {
    file.asked = { content }
    const { status, body } = await api.send(method, path, options)
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${body}`)
    file.acknowledged = content
    file.asked = undefined
  }
  const old = file.acknowledged
  const kind = old === undefined ? 0 : choose(6)
  if (kind < 2) {
    const length = choose(4) === 0 ? 2 ** 20 + choose(2 ** 20) : 1 + choose(9000)
    const content = bytes(label, length)
    await ask(content, 'PUT', file.path, { body: content })
  } else if (kind === 2) {
    await ask(undefined, 'DELETE', file.path, {})
  } else if (kind === 3) {
    const size = choose((old?.length ?? 0) + 1)
    await ask(old?.subarray(0, size), 'PATCH', file.path, {
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ size }),
    })
  } else {
    const end = bytes(label, 1 + choose(5000))
    await ask(Buffer.concat([old ?? Buffer.alloc(0), end]), 'PATCH', `${file.path}?append`, {
      headers: { 'Content-Type': 'application/octet-stream' },
      body: end,
    })
  }
}

/** Asks twice if the connection breaks, as any client may (RFC 9110 section 9.2.2): what counts is what is there. */
async function found(api: FileApi, path: string): Promise<Content> {
  const { status, body } = await api.send('GET', path).catch(() => api.send('GET', path))
  if (status === 404) return undefined
  expect(status, path).to.equal(200)
  return body
}

const same = (one: Content, other: Content): boolean =>
  one === undefined || other === undefined ? one === other : one.equals(other)

describe('kill -9 of the server', () => {
  let server: TestServer
  let token = ''

  before(async function () {
    this.timeout(120_000)
    server = await startServer()
    token = (await login(server)).access_token
  })
  after(() => server?.remove())

  it(`loses nothing that was acknowledged, in ${ROUNDS} crashes`, async () => {
    const files: Tracked[][] = Array.from({ length: WRITERS }, (_, writer) =>
      Array.from({ length: FILES }, (_, index) => ({
        path: `/files/w${writer}-${index}`,
        acknowledged: undefined,
        asked: undefined,
      })),
    )
    for (let round = 0; round < ROUNDS; round++) {
      const api = fileApi(server, token)
      const choose = chooser(`round ${round}`)
      let left = 40 + choose(120)
      let crash: Promise<void> | undefined
      const writer = async (mine: Tracked[], number: number): Promise<void> => {
        for (let step = 0; crash === undefined; step++) {
          const file = mine[choose(mine.length)]
          if (file === undefined) return
          await change(api, file, `${round} ${number} ${step}`, choose)
          if (--left === 0) crash = server.stop('SIGKILL')
        }
      }
      const ends = await Promise.allSettled(files.map(writer))
      for (const end of ends)
        if (end.status === 'rejected') expect(end.reason.code, `${end.reason}`).to.match(/^E|HPE/)
      await crash
      api.close()
      await server.restart()

      const fresh = fileApi(server, token)
      for (const file of files.flat()) {
        const now = await found(fresh, file.path)
        const allowed = [
          file.acknowledged,
          ...(file.asked === undefined ? [] : [file.asked.content]),
        ]
        expect(
          allowed.some((content) => same(content, now)),
          `${file.path} after crash ${round}: ${now?.length} bytes`,
        ).to.equal(true)
        file.acknowledged = now
        file.asked = undefined
      }
      fresh.close()
    }
  }).timeout(300_000 + ROUNDS * 10_000)

  it('leaves metadata and content that agree: coffer-server fsck', async () => {
    await server.stop('SIGKILL')
    const { status, stdout, stderr } = await outcome(
      process.execPath,
      [...program('server'), 'fsck'],
      { env: { COFFER_DATA: server.data } },
    )
    expect(status, stdout + stderr).to.equal(0)
    await server.restart()
  }).timeout(120_000)

  it('keeps the directory tree whole when renames are under way', async () => {
    const api = fileApi(server, token)
    for (const name of ['left', 'right']) await api.send('POST', `/files/${name}`)
    for (let index = 0; index < 40; index++)
      await api.send('PUT', `/files/left/f${index}`, { body: `file ${index}` })
    let moves = 0
    let crash: Promise<void> | undefined
    const move = async (index: number): Promise<void> => {
      for (let from = 'left', to = 'right'; crash === undefined; [from, to] = [to, from]) {
        await api.send('MOVE', `/files/${from}/f${index}`, {
          headers: { Destination: `/files/${to}/f${index}` },
        })
        if (++moves === 300) crash = server.stop('SIGKILL')
      }
    }
    await Promise.allSettled(Array.from({ length: 8 }, (_, index) => move(index)))
    await crash
    api.close()
    await server.restart()
    const fresh = fileApi(server, token)
    const names = await Promise.all(
      ['left', 'right'].map(async (name) => {
        const { body } = await fresh.send('GET', `/files/${name}`)
        return (JSON.parse(body.toString()) as { name: string }[]).map((entry) => entry.name)
      }),
    )
    fresh.close()
    expect(names.flat().sort()).to.deep.equal(
      Array.from({ length: 40 }, (_, index) => `f${index}`).sort(),
    )
  }).timeout(120_000)
})
