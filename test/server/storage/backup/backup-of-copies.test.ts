import { cp, mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { backup } from '../../../../server/storage/backup/backup.js'
import { restore } from '../../../../server/storage/backup/restore.js'
import { fileName as name } from '../../../../server/storage/path.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'
import { put, read } from '../contract.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

describe('two data directories of one beginning, with one directory for backups', () => {
  let parent: string
  let opened: TemporaryStorage[]
  beforeEach(async () => {
    parent = await temporaryDirectory('copies')
    opened = []
  })
  afterEach(async () => {
    await closeAll()
    await removeDirectory(parent)
  })

  const to = () => join(parent, 'backup')
  const now = () => new Date()
  async function open(directory: string): Promise<TemporaryStorage> {
    const storage = await temporaryStorage({ directory: join(parent, directory) })
    opened.push(storage)
    return storage
  }
  async function closeAll(): Promise<void> {
    for (const storage of opened.splice(0)) await storage.close()
  }
  /** One that was backed up before. */
  async function begin(): Promise<TemporaryStorage> {
    await mkdir(join(parent, 'one'))
    const one = await open('one')
    await write(one, 'first')
    expect(await make(one)).to.equal('made')
    return one
  }
  async function write({ storage }: TemporaryStorage, content: string): Promise<void> {
    const tree = await storage.tree('ann')
    await put(tree, { directory: tree.root, name: name('f') }, content)
  }
  const make = ({ directory, database }: TemporaryStorage) =>
    backup({ directory, database, to: to(), also: [], clock: now }).then(
      () => 'made',
      (error: Error) => error.message,
    )
  async function inBackup(): Promise<string> {
    await restore(to(), join(parent, 'look'), now)
    const { storage } = await open('look')
    const tree = await storage.tree('ann')
    return read(tree, (await tree.lookup(tree.root, name('f'))).ino)
  }

  it('have copies mixed, and are refused where the other one has gone on', async () => {
    await begin()
    await closeAll()
    await cp(join(parent, 'one'), join(parent, 'copy'), { recursive: true })
    const [one, copy] = [await open('one'), await open('copy')]
    await write(one, 'of one')
    await write(copy, 'copied')
    expect(await make(one)).to.equal('made')
    expect(await make(copy)).to.match(
      /has gone on without.*restored, copied or put back.*choose another directory/,
    )
    expect(await make(one)).to.equal('made')
    expect(await inBackup()).to.equal('of one')
  })

  it('are refused when put back to an earlier state, and going on from there', async () => {
    await begin()
    await closeAll()
    await cp(join(parent, 'one'), join(parent, 'snapshot'), { recursive: true })
    const one = await open('one')
    await write(one, 'of one')
    expect(await make(one)).to.equal('made')
    await closeAll()
    await rename(join(parent, 'one'), join(parent, 'lost'))
    await rename(join(parent, 'snapshot'), join(parent, 'one'))
    const again = await open('one')
    await write(again, 'anew  ')
    expect(await make(again)).to.match(/put back/)
    expect(await inBackup()).to.equal('of one')
  })

  it('share none after a restore: who goes on first has it', async () => {
    const one = await begin()
    for (const directory of ['second', 'third']) await restore(to(), join(parent, directory), now)
    const [second, third] = [await open('second'), await open('third')]
    expect(await make(second)).to.equal('made')
    for (const other of [one, third]) expect(await make(other)).to.match(/has gone on/)
    expect(await make(second)).to.equal('made')
  })

  it('are refused while the other one makes its backup', async () => {
    const one = await begin()
    const both = await Promise.all([make(one), make(one)])
    expect(both[0]).to.equal('made')
    expect(both[1]).to.equal(`another backup is being made in ${to()}: let that one end first`)
    expect(await inBackup()).to.equal('first')
  })

  it('know all the backups that were made of them, in whatever directories', async () => {
    const one = await begin()
    await cp(to(), join(parent, 'offsite'), { recursive: true })
    expect(await make(one)).to.equal('made')
    await rename(to(), join(parent, 'newer'))
    await rename(join(parent, 'offsite'), to())
    expect(await make(one)).to.equal('made')
  })
})
