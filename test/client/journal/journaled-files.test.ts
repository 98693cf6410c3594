import { expect } from 'chai'
import { journaledFiles } from '../../../client/journal/journaled-files.js'
import { WriteBack } from '../../../client/journal/write-back.js'
import type { RemoteFiles, RemoteNews } from '../../../client/remote/remote-files.js'
import { RemoteError } from '../../../client/remote-error.js'
import { type World, world } from '../fs/local-mount.js'

/** What is to be sent is kept in memory alone. */
function withoutJournal(files: RemoteFiles, isAway = () => false) {
  const writeBack = new WriteBack(files, {
    journals: [],
    keepsNew: true,
    root: 1,
    hostname: 'here',
    connection: 'here',
    clock: () => 0,
    isAway,
    log: () => {},
  })
  return { writeBack, shown: journaledFiles(files, writeBack) }
}

describe('the files of a mount with a journal', () => {
  let earth: World

  beforeEach(async () => {
    earth = await world()
  })
  afterEach(() => earth.close())

  it('are as last seen once the server turns out to be away, also for who asks already', async () => {
    const { files } = await earth.machine()
    let isAway = false
    const { shown } = withoutJournal(files, () => isAway)
    const seen = await shown.root()
    // The question is never answered.
    files.stat = () => {
      isAway = true
      return new Promise(() => {})
    }
    expect(await shown.stat(seen.ino)).to.deep.equal(seen)
  })

  it('are not what they were before a removal that was sent later and answered sooner', async () => {
    const stop = new AbortController()
    try {
      const { files, fault } = await earth.machine()
      const { shown, writeBack } = withoutJournal(files)
      const told: RemoteNews[] = []
      const listening = (async () => {
        for await (const news of writeBack.news.over(undefined, stop.signal)) told.push(news)
      })()
      const { ino: root } = await shown.root()
      const attributes = { mode: 0o644, uid: 0, gid: 0 }
      const { ino } = await shown.make(root, 'f', { type: 'file' }, attributes)
      let arrives = (): void => {}
      const carriedOut = new Promise<void>((resolve) => {
        fault.answer = (operation) => {
          if (operation !== 'write') return undefined
          resolve()
          return new Promise((answered) => {
            arrives = answered
          })
        }
      })
      const parts = [{ offset: 0, data: Buffer.from('x') }]
      const written = shown.write(ino, parts, { durability: 'process' })
      await carriedOut
      await shown.remove(root, 'f', 'unlink', { keep: true })
      told.splice(0)
      arrives()
      await written
      while (told.length === 0) await new Promise(setImmediate)
      const askAgain = { kind: 'change', change: { seq: 0, at: 0, kind: 'attributes', ino } }
      expect(told[0]).to.deep.equal(askAgain)
      stop.abort()
      await listening
    } finally {
      stop.abort()
    }
  })

  it('count a conflict copy once, however often the server has no room for it', async () => {
    const { files } = await earth.machine()
    const { files: elsewhere } = await earth.machine()
    const { shown, writeBack } = withoutJournal(files)
    const { ino: root } = await shown.root()
    const attributes = { mode: 0o644, uid: 0, gid: 0 }
    const { ino } = await shown.make(root, 'f', { type: 'file' }, attributes)
    await elsewhere.write(ino, [{ offset: 0, data: Buffer.from('theirs') }], {
      durability: 'process',
    })
    const { put } = files
    let refusals = 0
    files.put = (...parameters) => {
      if (refusals++ > 0) return put(...parameters)
      return Promise.reject(new RemoteError('ENOSPC', 'no room'))
    }
    const parts = [{ offset: 0, data: Buffer.from('ours') }]
    const refused = await shown
      .write(ino, parts, { durability: 'process' })
      .catch((error: unknown) => error)
    expect(refused).to.include({ code: 'ENOSPC' })
    expect(writeBack.sender.conflicts).to.equal(0)
  })

  it('say of no change that another one, which it had to wait for, may have been made', async () => {
    const { files } = await earth.machine()
    const { shown } = withoutJournal(files)
    const { ino: root } = await shown.root()
    const attributes = { mode: 0o644, uid: 0, gid: 0 }
    const { ino } = await shown.make(root, 'f', { type: 'file' }, attributes)
    files.setAttributes = () =>
      Promise.reject(new RemoteError('EIO', 'no answer', { change: 'chmod' }))
    const parts = [{ offset: 'append' as const, data: Buffer.from('x') }]
    const answers = await Promise.allSettled([
      shown.setAttributes(ino, { mode: 0o600 }, { durability: 'process' }),
      shown.write(ino, parts, { durability: 'process' }),
    ])
    const reasons = answers.map((answer) => answer.status === 'rejected' && answer.reason)
    expect(reasons[0]).to.include({ code: 'EIO', change: 'chmod' })
    expect(reasons[1]).to.include({ code: 'EIO', change: undefined })
  })

  it('are written on what they are after a change that was found to be made', async () => {
    const { files, fault } = await earth.machine()
    const { shown, writeBack } = withoutJournal(files)
    const { ino: root } = await shown.root()
    const attributes = { mode: 0o644, uid: 0, gid: 0 }
    const { ino } = await shown.make(root, 'f', { type: 'file' }, attributes)
    const write = (text: string) =>
      shown.write(ino, [{ offset: 0, data: Buffer.from(text) }], { durability: 'process' })
    fault.answer = (operation) =>
      operation === 'write' ? Promise.reject(new RemoteError('EIO', 'gave up')) : undefined
    const { change } = await write('one').then(
      () => new RemoteError('EINVAL', 'it was answered'),
      (error: RemoteError) => error,
    )
    delete fault.answer
    expect(await shown.made?.(ino, change ?? '')).to.include({ ino })
    await write('two')
    expect(writeBack.sender.conflicts).to.equal(0)
    expect(String((await files.read(ino, 0, 10)).data)).to.equal('two')
  })
})
