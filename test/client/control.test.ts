import { createConnection } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { askMount, type ControlReply, openControl } from '../../client/control.js'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'

describe("a mount's control socket", () => {
  let directory = ''
  beforeEach(async () => {
    directory = await temporaryDirectory('control')
  })
  afterEach(() => removeDirectory(directory))

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
    const replies: ControlReply['kind'][] = []
    for await (const reply of askMount(path, { command: 'unmount', force: false }))
      replies.push(reply.kind)
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
})
