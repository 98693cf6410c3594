import { expect } from 'chai'
import { type FileApi, fileApi } from '../support/files.js'
import { login } from '../support/login.js'
import { outcome } from '../support/process.js'
import { program } from '../support/program.js'
import { startServer, type TestServer } from '../support/server.js'
import {
  beginUpload,
  type Content,
  change,
  chooser,
  endUpload,
  same,
  type Tracked,
  uploadOffset,
} from './load.js'

/** The full run is COFFER_TEST_CRASH_ROUNDS=200. */
const ROUNDS = Number(process.env.COFFER_TEST_CRASH_ROUNDS ?? 8)
/** A token lives for a quarter of an hour, and a full run takes longer. */
const LOGIN_ROUNDS = 20
const WRITERS = 6
const FILES = 4

/** Asks twice if the connection breaks, as any client may (RFC 9110 section 9.2.2): what counts is what is there. */
async function found(api: FileApi, path: string): Promise<Content> {
  const { status, body } = await api.send('GET', path).catch(() => api.send('GET', path))
  if (status === 404) return undefined
  expect(status, path).to.equal(200)
  return body
}

/** Takes a file as it is found after a crash, where it is as it may be. */
async function check(api: FileApi, file: Tracked, crash: string): Promise<void> {
  const { upload, asked } = file
  const now = await found(api, file.path)
  const allowed = [file.acknowledged, ...(asked === undefined ? [] : [asked.content])]
  const what = `${file.path} after ${crash}`
  expect(
    allowed.some((content) => same(content, now)),
    `${what}: ${now?.length} bytes`,
  ).to.equal(true)
  file.acknowledged = now
  file.asked = undefined
  if (upload === undefined) return
  const offset = await uploadOffset(api, upload)
  const became = same(now, upload.content)
  expect(offset, `the upload to ${what}`).to.be.within(
    became ? upload.content.length : upload.acknowledged,
    upload.sent,
  )
  upload.acknowledged = offset
  if (became) file.upload = undefined
}

/** Uploads go on where the server says they are, and are whole. */
async function endUploads(api: FileApi, files: readonly Tracked[]): Promise<void> {
  for (const file of files) {
    await endUpload(api, file)
    expect(same(await found(api, file.path), file.acknowledged), file.path).to.equal(true)
  }
}

describe('kill -9 of the server', () => {
  let server: TestServer
  let token = ''

  before(async function () {
    this.timeout(120_000)
    server = await startServer()
  })
  after(() => server?.remove())

  it(`loses nothing that was acknowledged, in ${ROUNDS} crashes`, async () => {
    const files: Tracked[][] = Array.from({ length: WRITERS }, (_, writer) =>
      Array.from({ length: FILES }, (_, index) => ({
        path: `/files/w${writer}-${index}`,
        acknowledged: undefined,
        asked: undefined,
        upload: undefined,
      })),
    )
    for (let round = 0; round < ROUNDS; round++) {
      if (round % LOGIN_ROUNDS === 0) token = (await login(server)).access_token
      const api = fileApi(server, token)
      const choose = chooser(`round ${round}`)
      for (const [number, mine] of files.entries()) {
        const file = mine[choose(FILES)]
        if (file === undefined || mine.some(({ upload }) => upload !== undefined)) continue
        await beginUpload(api, file, `${round} ${number} upload`, choose)
      }
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
      for (const file of files.flat()) await check(fresh, file, `crash ${round}`)
      if (round === ROUNDS - 1) await endUploads(fresh, files.flat())
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
    token = (await login(server)).access_token
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
