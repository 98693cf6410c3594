import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { Connection } from '../../../client/http/connection.js'
import type { Answer } from '../../../client/http/exchange.js'
import type { FrameReceiver } from '../../../client/http/frame-connection.js'
import { Attempts } from '../../../client/remote/attempts.js'
import { Channels } from '../../../client/remote/channel.js'
import { FileRequests } from '../../../client/remote/file-requests.js'
import { filesOverChannels } from '../../../client/remote/files-over-channel.js'
import { filesOverHttp } from '../../../client/remote/files-over-http.js'
import { Meter } from '../../../client/remote/meter.js'
import type { RemoteFiles } from '../../../client/remote/remote-files.js'
import { encodeFrame, FrameQueue } from '../../../server/wire/frames.js'
import { HEADERS } from '../../../server/wire/headers.js'
import { attributesOf } from './some-attributes.js'

const BOUNDS = { lifeMilliseconds: 1e6, idleMilliseconds: 1e6, operations: 1e6 }
const [OLD, NEW] = [7, 8]

/** A connection in the hands of the test: what was asked by it, and what it answers. */
interface Line extends FrameReceiver {
  readonly asked: string[]
}

describe('changes that nobody waits for', () => {
  let lines: Line[]
  let files: RemoteFiles
  let channels: Channels
  /** Requests beside the channels, and what each is answered. */
  let sent: string[]
  let told: (string | undefined)[]
  let reply: (request: string) => Promise<Answer>

  beforeEach(() => {
    lines = []
    sent = []
    told = []
    reply = async () => answer(404)
    const attempts = new Attempts()
    channels = new Channels(
      attempts.channel(async (_, receiver) => {
        const frames = new FrameQueue(65_536, 65_536)
        const asked: string[] = []
        lines.push({ ...bound(receiver), asked })
        const write = (data: Buffer): void => {
          frames.push(data)
          for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
            asked.push(String(frame.header.op))
          }
        }
        return { write, end: () => {}, destroy: () => {}, bounds: BOUNDS }
      }),
      () => 0,
      new Meter(() => 0),
    )
    const requests = new FileRequests({
      attempts,
      base: 'https://localhost',
      connectionSecret: 'secret',
      send: ({ method, url, headers }) => {
        sent.push(`${method} ${url.pathname.slice('/inodes/'.length)}`)
        told.push(headers?.[HEADERS.abandoned])
        return reply(sent.at(-1) ?? '')
      },
      retry: {
        connection: new Connection(() => 0),
        patience: { milliseconds: 1000, whileAwayMilliseconds: 1000 },
        lost: () => {},
      },
    })
    const again = filesOverHttp(requests.again(), '/files')
    files = filesOverChannels(channels, requests, filesOverHttp(requests, '/files'), again)
  })
  afterEach(() => channels.close())

  const remove = () =>
    files.removeAll?.([{ directory: 1, name: 'x', kind: 'unlink', ino: OLD }]) ??
    Promise.reject(new Error('there is no removeAll'))
  const make = (name = 'd') => files.make(1, name, { type: 'directory' }, {})
  const asked = () => lines.map((line) => line.asked)
  async function settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  }
  const removed = encodeFrame({ outcome: 'done', removed: [{ attributes: attributesOf(OLD) }] })
  const made = encodeFrame({ outcome: 'done', attributes: attributesOf(NEW) })

  it('have what is changed after them go by the same channel', async () => {
    const removing = remove()
    const making = make()
    await settle()
    expect(asked()).to.deep.equal([['removeAll', 'make']])
    lines[0]?.came(Buffer.concat([removed, made]))
    expect((await removing)[0]?.status).to.equal('fulfilled')
    expect((await making).ino).to.equal(NEW)
    expect(sent).to.deep.equal([])
  })

  it('may be attributes', async () => {
    const setting = files.setAttributes(OLD, { mode: 0o600 }, { isUnawaited: true })
    const removing = remove()
    const making = make()
    const waited = files.setAttributes(NEW, { mode: 0o600 })
    await settle()
    expect(asked()).to.deep.equal([['setAttributes', 'removeAll', 'make']])
    const set = encodeFrame({ outcome: 'done', attributes: attributesOf(OLD) })
    lines[0]?.came(Buffer.concat([set, removed, made]))
    expect((await setting).ino).to.equal(OLD)
    await Promise.all([removing, making])
    await settle()
    expect(asked()).to.deep.equal([['setAttributes', 'removeAll', 'make', 'setAttributes']])
    lines[0]?.came(encodeFrame({ outcome: 'done', attributes: attributesOf(NEW) }))
    await waited
  })

  it('have nothing wait behind what follows them, which may wait for another machine', async () => {
    const removing = remove()
    const making = make()
    const others = [make('other'), remove()] as const
    await settle()
    expect(asked()).to.deep.equal([['removeAll', 'make']])
    lines[0]?.came(removed)
    await removing
    await settle()
    expect(asked()).to.deep.equal([['removeAll', 'make'], ['make'], ['removeAll']])
    lines[1]?.came(made)
    lines[2]?.came(removed)
    await Promise.all(others)
    lines[0]?.came(made)
    await making
  })

  it('have nothing go before them where the channel takes no more', async () => {
    const removing = remove()
    await settle()
    lines[0]?.came(encodeFrame({ outcome: 'closing' }))
    const making = make()
    await settle()
    expect(asked()).to.deep.equal([['removeAll']])
    lines[0]?.came(removed)
    await removing
    await settle()
    expect(asked()).to.deep.equal([['removeAll'], ['make']])
    lines[1]?.came(made)
    await making
  })

  const ENDS: Readonly<Record<string, (line: Line | undefined) => void>> = {
    'the channel breaks': (line) => line?.over(new Error('cut')),
    'the server cannot go on with it': (line) =>
      line?.came(encodeFrame({ outcome: 'broken', code: 'EIO', detail: 'it broke' })),
  }
  for (const [how, end] of Object.entries(ENDS)) {
    it(`have what followed them wait for what becomes of them where ${how}`, async () => {
      let tell = () => {}
      const told = new Promise<void>((resolve) => {
        tell = resolve
      })
      reply = async (request) => {
        if (request.startsWith('POST')) return answer(201, attributesOf(NEW))
        if (request.startsWith('GET')) return answer(200, { made: false })
        await told
        return answer(404)
      }
      const removing = remove()
      const making = make()
      await settle()
      end(lines[0])
      await settle()
      expect(sent.map((request) => request.split(' ')[1])).to.deep.equal(['1/x'])
      tell()
      await removing
      expect((await making).ino).to.equal(NEW)
      expect(sent.at(-1)).to.equal('POST 1/d')
    })
  }

  const UNSURE: Readonly<Record<string, (line: Line | undefined) => void>> = {
    'no answer came': (line) => line?.over(new Error('cut')),
    'all of them were refused': (line) =>
      line?.came(encodeFrame({ outcome: 'failed', code: 'EINVAL', detail: 'no' })),
  }
  for (const [how, end] of Object.entries(UNSURE)) {
    it(`leave what came to stand there behind them where ${how}`, async () => {
      reply = async () => answer(200, attributesOf(NEW))
      const removing = remove()
      await settle()
      end(lines[0])
      expect((await removing)[0]?.status).to.equal('fulfilled')
      expect(sent).to.deep.equal(['HEAD 1/x'])
    })
  }

  it('are forgotten with what became of them, whatever comes next', async () => {
    async function once(): Promise<WeakRef<object>> {
      const removing = remove()
      await settle()
      lines[0]?.came(removed)
      const [outcome] = (await removing) ?? []
      return new WeakRef(outcome ?? {})
    }
    const first = await once()
    await once()
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    await settle()
    collect()
    expect(first.deref()).to.equal(undefined)
  })

  it('are given up on the server before it is asked what became of them', async () => {
    const removing = remove()
    await settle()
    lines[0]?.over(new Error('cut'))
    await removing
    expect(told[0]).to.equal('1')
  })

  it('have a large file wait that goes by no channel', async () => {
    reply = async () => answer(201, attributesOf(NEW))
    const removing = remove()
    const content = [Buffer.alloc(1 << 20)]
    const options = { mode: 'create', attributes: {}, durability: 'process' } as const
    const putting = files.put(1, 'large', content, options)
    await settle()
    expect(sent).to.deep.equal([])
    lines[0]?.came(removed)
    await removing
    await putting
    expect(sent).to.deep.equal(['PUT 1/large'])
  })
})

function bound(receiver: FrameReceiver): FrameReceiver {
  return {
    isWaiting: () => receiver.isWaiting(),
    came: (data) => receiver.came(data),
    over: (error) => receiver.over(error),
  }
}

function answer(status: number, body: object = {}): Answer {
  const type = status < 400 ? 'application/json' : 'application/problem+json'
  const attributes = 'ino' in body ? { 'coffer-attributes': JSON.stringify(body) } : {}
  return {
    status,
    headers: { 'content-type': type, ...attributes },
    body: Buffer.from(JSON.stringify(body)),
  }
}
