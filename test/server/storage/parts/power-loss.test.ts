import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { fileName } from '../../../../server/storage/path.js'
import { overwrite, type Tree } from '../../../../server/storage/storage.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'
import { put, read } from '../contract.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

const BEFORE = 'run of the machine before'
const AFTER = 'run of the machine after'
const MADE = { connection: 'c', change: '1' } as const

/**
 * The disk as it was at some moment is a copy of the data directory, taken while the server goes on: what it does afterwards is
 * what the power takes with it.
 */
describe('Storage after loss of power', () => {
  let directory: string
  const open: TemporaryStorage[] = []

  beforeEach(async () => {
    directory = await temporaryDirectory('power-loss')
  })
  afterEach(async () => {
    for (const subject of open.splice(0)) await subject.close()
    await removeDirectory(directory)
  })

  const start = async (at: string, boot: string, date?: string): Promise<TemporaryStorage> => {
    await mkdir(join(directory, at), { recursive: true })
    const time = date === undefined ? {} : { date: new Date(date) }
    const subject = await temporaryStorage({ directory: join(directory, at), boot, ...time })
    open.push(subject)
    return subject
  }
  const place = (tree: Tree, name: string) => ({ directory: tree.root, name: fileName(name) })
  const write = (tree: Tree, ino: number, text: string) =>
    tree.write(ino, [{ offset: 0, data: Buffer.from(text) }], overwrite, {})

  /** The disk as it is with a file on it, and what is on it no more once the power is lost. */
  async function served() {
    const server = await start('server', BEFORE)
    const tree = await server.storage.tree('ann')
    const { ino } = await put(tree, place(tree, 'file'), 'kept')
    await tree.setAttributes(ino, { mode: 0o600 }, overwrite, MADE)
    return { server, tree, ino, kept: await tree.changes.newest() }
  }
  const disk = () => cp(join(directory, 'server'), join(directory, 'disk'), { recursive: true })
  const restarted = async (boot: string): Promise<Tree> =>
    (await start('disk', boot)).storage.tree('ann')

  it('leaves numbers to be given, though the clock was far ahead once', async () => {
    await served()
    for (let starts = 0; starts < 2; starts += 1) {
      const tree = await (await start('server', AFTER, '9999-12-31')).storage.tree('ann')
      const { ino, generation } = await put(tree, place(tree, `file ${starts}`), 'x')
      for (const number of [ino, generation]) expect(number).to.be.below(2 ** 52 + 2 ** 40)
    }
  })

  it('gives no inode number twice', async () => {
    const { tree } = await served()
    await disk()
    const lost = await tree.reserve(5_000)
    const now = await restarted(AFTER)
    expect(await now.reserve(1)).to.be.at.least(lost + 5_000)
  })

  it('gives no version of a content twice', async () => {
    const { tree, ino } = await served()
    await disk()
    const lost = await write(tree, ino, 'lost')
    const now = await restarted(AFTER)
    expect(await read(now, ino)).to.equal('kept')
    const { version } = await write(now, ino, 'else')
    expect(version).to.be.greaterThan(lost.version)
    const { generation } = await put(now, ino, 'all of it')
    expect(generation).to.be.greaterThan(lost.generation)
    expect((await now.stat(ino)).version).to.equal(version + 1)
  })

  it('sends who has heard of what was lost to look at everything anew', async () => {
    const { tree, ino, kept } = await served()
    await disk()
    await write(tree, ino, 'lost')
    const heard = await tree.changes.newest()
    const now = await restarted(AFTER)
    const newest = await now.changes.newest()
    expect(await now.changes.after(heard, 10)).to.have.property('kind', 'expired')
    for (let change = kept; change < heard; change++) await write(now, ino, 'else')
    expect(await now.changes.after(heard, 10)).to.have.property('kind', 'expired')
    const page = await now.changes.after(newest, 10)
    expect(page)
      .to.have.property('changes')
      .of.length(heard - kept)
  })

  it('still knows which changes were made', async () => {
    await served()
    await disk()
    const now = await restarted(AFTER)
    expect(await now.changes.made(MADE.connection, MADE.change)).to.not.equal(undefined)
  })

  const whole: [what: string, boot: string, isClosed: boolean][] = [
    ['the process was killed', BEFORE, false],
    ['it was closed before', AFTER, true],
  ]
  for (const [what, boot, isClosed] of whole) {
    it(`counts on where ${what}`, async () => {
      const { server, ino, kept } = await served()
      if (isClosed) {
        await server.close()
        open.splice(0)
      }
      await disk()
      const now = await restarted(boot)
      const { version } = await now.stat(ino)
      expect((await write(now, ino, 'else')).version).to.equal(version + 1)
      expect(await now.changes.after(kept, 10))
        .to.have.property('changes')
        .of.length(1)
    })

    it(`gives no number twice where the disk was put back to when ${what}, however much was done since`, async () => {
      const { server, ino } = await served()
      if (isClosed) {
        await server.close()
        open.splice(0)
      }
      await disk()
      await cp(join(directory, 'server'), join(directory, 'lost'), { recursive: true })
      const lost = await start('lost', AFTER, '2026-01-03')
      const before = await lost.storage.tree('ann')
      const reserved = await before.reserve(5_000)
      const { generation } = await put(before, ino, 'lost')
      const now = await (await start('disk', boot, '2026-01-04')).storage.tree('ann')
      expect(await now.reserve(1)).to.be.at.least(reserved + 5_000)
      expect((await put(now, ino, 'else')).generation).to.be.greaterThan(generation)
    })
  }
})
