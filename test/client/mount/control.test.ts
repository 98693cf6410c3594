import { once } from 'node:events'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  askMount,
  type Control,
  type ControlHandler,
  NobodyAnswers,
  openControl,
} from '../../../client/mount/control.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

const UNMOUNT = { command: 'unmount', force: false } as const
const NEVER = new AbortController().signal

describe("a mount's control socket", () => {
  let directory = ''
  const opened: Control[] = []
  beforeEach(async () => {
    directory = await temporaryDirectory('control')
  })
  afterEach(async () => {
    for (const control of opened.splice(0)) await control.close()
    await removeDirectory(directory)
  })

  it('lets an answer that is under way end before it closes', async () => {
    const path = join(directory, 'socket')
    let close: () => Promise<void> = async () => {}
    let closed: Promise<void> | undefined
    const control = await openControl(path, async function* () {
      closed = close()
      yield { kind: 'pending', pending: { bytes: 1, files: 1 } }
      await new Promise((resolve) => setImmediate(resolve))
      yield { kind: 'unmounted', lost: { bytes: 0, files: 0 } }
    })
    close = control.close
    const replies: string[] = []
    for await (const reply of askMount(path, UNMOUNT, NEVER)) replies.push(reply.kind)
    await closed
    expect(replies).to.deep.equal(['pending', 'unmounted'])
  })

  it('hangs up on whoever has not asked anything', async () => {
    const path = join(directory, 'socket')
    const control = await openControl(path, async function* () {})
    const idle = createConnection(path)
    await new Promise((resolve) => idle.once('connect', resolve))
    const over = new Promise((resolve) => idle.resume().once('close', resolve))
    await control.close()
    await over
  })

  it('gives up what it was asked for when whoever asked has gone, and lives on', async () => {
    const path = join(directory, 'socket')
    let givenUp = (): void => {}
    const over = new Promise<void>((resolve) => {
      givenUp = resolve
    })
    const control = await openControl(path, async function* () {
      try {
        for (;;) {
          yield { kind: 'pending', pending: { bytes: 1, files: 1 } }
          await new Promise((resolve) => setImmediate(resolve))
        }
      } finally {
        givenUp()
      }
    })
    for await (const { kind } of askMount(path, UNMOUNT, NEVER)) {
      expect(kind).to.equal('pending')
      break
    }
    await over
    await control.close()
  })

  it('lives on when it answers somebody who has gone', async () => {
    const path = join(directory, 'socket')
    const control = await openControl(path, async function* () {
      if (!asker.destroyed) await once(asker.destroy(), 'close')
      yield { kind: 'pending', pending: { bytes: 1, files: 1 } }
      yield { kind: 'pending', pending: { bytes: 0, files: 0 } }
    })
    const asker = createConnection(path)
    asker.write(`${JSON.stringify(UNMOUNT)}\n`)
    await once(asker, 'close')
    for await (const reply of askMount(path, UNMOUNT, NEVER)) expect(reply.kind).to.equal('pending')
    await control.close()
  })

  const silent: ControlHandler = async function* () {
    await new Promise(() => {})
    yield { kind: 'failed', message: 'never' }
  }

  it('says that nobody answers where nobody does', async () => {
    const path = join(directory, 'socket')
    opened.push(await openControl(path, silent))
    let caught: unknown
    try {
      for await (const _ of askMount(path, UNMOUNT, NEVER, 50)) expect.fail()
    } catch (error) {
      caught = error
    }
    expect(caught).to.be.instanceOf(NobodyAnswers)
  })

  it('lets go of whoever does not want to wait any longer', async () => {
    const path = join(directory, 'socket')
    const stop = new AbortController()
    const reason = new Error('stopped')
    const control = await openControl(path, () => {
      stop.abort(reason)
      return silent(UNMOUNT, Promise.resolve())
    })
    opened.push(control)
    let caught: unknown
    try {
      for await (const _ of askMount(path, UNMOUNT, stop.signal)) expect.fail()
    } catch (error) {
      caught = error
    }
    expect(caught).to.equal(reason)
  })
})
