import { randomBytes } from 'node:crypto'
import { open, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Machine, type Mount, machine } from '../support/mount.js'
import { run } from '../support/process.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'

const MIB = 2 ** 20

describe('programs that copy and skip ranges on a mount', function () {
  this.timeout(120_000)

  let server: TestServer
  let home: Machine
  let mount: Mount

  before(async function () {
    requires(this, 'fuse')
    server = await startServer()
    home = await machine(server)
    mount = await home.mount()
  })
  after(async () => {
    await home?.remove()
    await server?.remove()
  })

  const path = (name: string): string => join(mount.directory, name)
  const program = (command: string, ...parameters: string[]) =>
    run(command, parameters, { cwd: mount.directory })
  const room = async (name: string): Promise<number> => (await stat(path(name))).blocks * 512

  /** Bytes that the mount's process read and wrote: from the kernel, to it, and over the network. */
  async function moved(work: () => Promise<unknown>): Promise<number> {
    const pid = await mount.pid()
    const bytes = async (): Promise<number> => {
      const counts = await readFile(`/proc/${pid}/io`, 'utf8')
      const [, read = '', written = ''] = /rchar: (\d+)\nwchar: (\d+)/.exec(counts) ?? []
      return Number(read) + Number(written)
    }
    const before = await bytes()
    await work()
    return (await bytes()) - before
  }

  /** Two MiB of data in 200. */
  async function sparse(name: string): Promise<void> {
    const file = await open(path(name), 'w')
    await file.truncate(200 * MIB)
    for (const at of [0, 150 * MIB]) await file.write(randomBytes(MIB), 0, MIB, at)
    await file.close()
  }

  it('cp(1) has the server copy: no bytes go over the network', async () => {
    await writeFile(path('from'), randomBytes(32 * MIB))
    expect(await moved(() => program('cp', 'from', 'to'))).to.be.below(MIB)
    await program('cmp', 'from', 'to')
  })

  it('cp(1) of a sparse file skips its holes, and the copy has them', async () => {
    await sparse('sparse')
    expect(await room('sparse')).to.be.within(2 * MIB, 3 * MIB)
    expect(await moved(() => program('cp', 'sparse', 'copy'))).to.be.below(10 * MIB)
    expect(await room('copy')).to.be.within(2 * MIB, 3 * MIB)
    expect((await stat(path('copy'))).size).to.equal(200 * MIB)
    await program('cmp', 'sparse', 'copy')
  })

  it('tar(1) -S skips holes both ways', async () => {
    await sparse('archived')
    const packed = await moved(() => program('tar', '-Scf', 'archive.tar', 'archived'))
    expect(packed).to.be.below(20 * MIB)
    expect((await stat(path('archive.tar'))).size).to.be.below(3 * MIB)
    await program('mkdir', 'out')
    await program('tar', '-Sxf', 'archive.tar', '-C', 'out')
    expect(await room('out/archived')).to.be.within(2 * MIB, 3 * MIB)
    await program('cmp', 'archived', 'out/archived')
  })

  it('fallocate(1) punches and digs holes, which du(1) sees', async () => {
    await writeFile(path('punched'), randomBytes(8 * MIB))
    await program('fallocate', '--punch-hole', '--offset', '0', '--length', '6MiB', 'punched')
    expect(await room('punched')).to.equal(2 * MIB)
    await writeFile(path('dug'), Buffer.alloc(4 * MIB))
    await program('fallocate', '--dig-holes', 'dug')
    expect(await room('dug')).to.be.below(MIB)
    expect((await stat(path('dug'))).size).to.equal(4 * MIB)
    expect((await readFile(path('dug'))).every((byte) => byte === 0)).to.equal(true)
  })
})
