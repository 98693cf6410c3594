import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import { systemCalls } from '../../../client/fuse/fusermount.js'
import {
  MOST_BUFFERS,
  Reader,
  type RequestListener,
  type Watched,
} from '../../../client/fuse/reader.js'
import { watchedDevice } from '../../../client/fuse/watched-device.js'
import { koffi } from '../../../client/koffi.js'

describe('reading requests by the event loop', () => {
  let directory: string
  let device: number
  let kernel: number
  /** The number in each request, and the buffer that it keeps. */
  let kept: { readonly number: number; readonly buffer: Buffer }[]
  let reader: Reader
  let came: () => void
  let ended: Promise<void>

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'coffer-reader-'))
    const pipe = join(directory, 'device')
    execFileSync('mkfifo', [pipe])
    device = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
    kernel = openSync(pipe, 'w')
    const watched = watchedDevice(koffi(), systemCalls().socketpair, device)
    kept = []
    came = () => undefined
    ended = new Promise((resolve) => {
      reader = new Reader(
        { descriptor: device, watched },
        {
          accept: (buffer) => {
            kept.push({ number: buffer.readUInt32LE(0), buffer })
            came()
            return 'waiting with its buffer'
          },
          ended: resolve,
        },
      )
    })
    reader.start()
  })

  afterEach(async () => {
    closeSync(kernel)
    for (const { buffer } of kept.splice(0)) reader.give(buffer)
    await ended
    closeSync(device)
    rmSync(directory, { recursive: true })
  })

  const ask = (number: number): void => {
    const request = Buffer.alloc(4)
    request.writeUInt32LE(number)
    writeSync(kernel, request)
  }

  const next = (): Promise<void> =>
    new Promise((resolve) => {
      came = resolve
    })

  it('pauses once every buffer is out, and goes on with the one that comes back', async () => {
    for (let number = 1; number < MOST_BUFFERS; number += 1) {
      const coming = next()
      ask(number)
      await coming
    }
    ask(MOST_BUFFERS)
    for (let turn = 0; turn < 5; turn += 1) await setImmediate()
    expect(kept).to.have.length(MOST_BUFFERS - 1)
    const coming = next()
    const [first] = kept
    if (first !== undefined) reader.give(first.buffer)
    await coming
    expect(kept.map(({ number, buffer }) => [number, buffer.readUInt32LE(0)])).to.deep.equal(
      Array.from({ length: MOST_BUFFERS }, (_, at) => [at + 1, at + 1]),
    )
    expect(new Set(kept.map(({ buffer }) => buffer))).to.have.length(MOST_BUFFERS)
  })
})

describe('how many requests one turn of the event loop takes', () => {
  const WRITE_BYTES = (1 << 20) + 80
  for (const [what, length, expected] of [
    ['a single one, if it is a long write', WRITE_BYTES, 1],
    ['a few of middle length', WRITE_BYTES / 4, 4],
    ['sixteen short ones', 80, 16],
  ] as const) {
    it(`is ${what}, however many there are`, () => {
      let taken = 0
      let listener: RequestListener | undefined
      const watched: Watched = {
        descriptor: -1,
        readNow: () => length,
        stop: () => undefined,
        watch: (_, who) => {
          listener = who
          return { goOn: () => undefined }
        },
      }
      const accept = () => {
        taken += 1
        return 'answered' as const
      }
      new Reader({ descriptor: -1, watched }, { accept, ended: () => undefined }).start()
      listener?.came(Buffer.alloc(WRITE_BYTES), length)
      expect(taken).to.equal(expected)
    })
  }
})
