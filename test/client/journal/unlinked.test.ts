import { join } from 'node:path'
import { expect } from 'chai'
import { Journal } from '../../../client/journal/journal.js'
import { journaledFiles } from '../../../client/journal/journaled-files.js'
import { WriteBack } from '../../../client/journal/write-back.js'
import type { RemoteFiles } from '../../../client/remote/remote-files.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { type Machine, type World, world } from '../fs/local-mount.js'

const ROOT = 1
/** As many as are sent at once; one more waits for its turn. */
const AT_ONCE = 16
const PROCESS = { durability: 'process' } as const

describe('a new file in a journal that lost its name while it is open', () => {
  let directory: string
  let earth: World
  let here: Machine
  let writeBack: WriteBack
  let shown: RemoteFiles
  /** Its turn has not come; the others are under way. */
  let ino: number
  let goOn: () => void

  beforeEach(async () => {
    directory = await temporaryDirectory('unlinked')
    earth = await world()
    here = await earth.machine()
    const log = () => {}
    const journal = await Journal.open(join(directory, '1'), { limitBytes: 1 << 20, log })
    if (journal === undefined) throw new Error('somebody else has the journal')
    writeBack = new WriteBack(here.files, {
      ...{ journals: [journal], keepsNew: true, root: ROOT, hostname: 'here' },
      ...{ connection: 'm0', clock: () => 0, isAway: () => false, log },
    })
    shown = journaledFiles(here.files, writeBack)
    const going = new Promise<void>((resolve) => {
      goOn = resolve
    })
    here.fault.before = (operation) => (operation === 'put' ? going : undefined)
    const first = await here.files.reserve(AT_ONCE + 2)
    ino = first + AT_ONCE
    for (let made = first; made < first + AT_ONCE + 2; made++) await make(made)
  })
  afterEach(async () => {
    await shown.release(ino)
    await writeBack.close()
    await earth.close()
    await removeDirectory(directory)
  })

  async function make(number: number): Promise<void> {
    const attributes = { mode: 0o644, uid: 0, gid: 0 }
    const options = { mode: 'create', attributes, ino: number, ...PROCESS } as const
    await shown.put(ROOT, `f${number}`, [Buffer.from('x')], options)
  }
  const unlink = () => shown.remove(ROOT, `f${ino}`, 'unlink', { keep: true })

  it('is not sent any more when its turn comes', async () => {
    await unlink()
    goOn()
    await writeBack.drain()
    const names: string[] = []
    for await (const page of here.files.list(ROOT)) names.push(...page.map(({ name }) => name))
    expect(names).to.have.length(AT_ONCE + 1)
    expect(names).not.to.include(`f${ino}`)
    expect(String((await shown.read(ino, 0, 10)).data)).to.equal('x')
  })

  it('is waited for by nobody, neither who asked before nor who asks then', async () => {
    const asked = shown.sync(ino)
    await shown.setAttributes(ROOT, { mtime: '1' }, PROCESS)
    await unlink()
    await asked
    goOn()
    await writeBack.drain()
    const parts = [{ offset: 'append' as const, data: Buffer.from('y') }]
    await shown.write(ino, parts, { durability: 'power' })
    expect(String((await shown.read(ino, 0, 10)).data)).to.equal('xy')
  })
})
