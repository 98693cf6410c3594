import { createHash } from 'node:crypto'
import {
  appendFile,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { ended, isRunning } from '../support/is-running.js'
import { type Machine, type Mount, machine } from '../support/mount.js'
import { outcome, run } from '../support/process.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'

const FLAGS = ['--write-back']

describe('coffer mount --write-back', function () {
  this.timeout(300_000)

  let server: TestServer
  let home: Machine

  before(async function () {
    requires(this, 'fuse')
    server = await startServer()
  })
  after(() => server?.remove())
  beforeEach(async () => {
    if (!isRunning(server.pid)) await server.restart()
    home = await machine(server)
  })
  afterEach(() => home.remove())

  const pending = async () => (await home.status()).mounts[0]?.pending

  const noticed = () =>
    until('it is noticed that the server is away', async () => {
      return (await home.status()).mounts.every(({ connection }) => connection.state === 'away')
    })

  /** Ends the mount as loss of power does. */
  async function killed(mount: Mount): Promise<void> {
    const pid = await mount.pid()
    process.kill(pid, 'SIGKILL')
    await ended(pid)
  }

  /** A folder of its own for each test. */
  async function folder(mount: Mount, name: string): Promise<string> {
    const path = join(mount.directory, name)
    await mkdir(path)
    return path
  }

  const content = (index: number): Buffer => {
    const seed = createHash('sha256').update(`${index}`).digest()
    return Buffer.concat(Array.from({ length: 1 + ((index * 37) % 400) }, () => seed))
  }

  it('closes files while the server is away, keeps them over kill -9, and sends them later', async () => {
    const mount = await home.mount({ flags: FLAGS })
    const directory = await folder(mount, 'away')
    await writeFile(join(directory, 'old'), 'old content')
    await home.allSent()
    await server.stop('SIGKILL')
    await noticed()
    for (let index = 0; index < 40; index++) {
      await writeFile(join(directory, `file ${index}`), content(index))
    }
    await writeFile(join(directory, 'file 7'), content(100))
    await appendFile(join(directory, 'file 8'), 'more')
    await truncate(join(directory, 'file 9'), 10)
    await utimes(join(directory, 'file 10'), 1, 1_000_000_000)
    await writeFile(join(directory, 'old'), 'new content')
    await writeFile(join(directory, 'gone'), 'gone')
    await unlink(join(directory, 'gone'))
    expect((await pending())?.files).to.equal(41)
    await killed(mount)

    await server.restart()
    const again = await home.mount({ flags: FLAGS })
    const check = async (where: string): Promise<void> => {
      expect(await readFile(join(where, 'file 7'))).to.deep.equal(content(100))
      const appended = Buffer.concat([content(8), Buffer.from('more')])
      expect(await readFile(join(where, 'file 8'))).to.deep.equal(appended)
      expect(await readFile(join(where, 'file 9'))).to.deep.equal(content(9).subarray(0, 10))
      expect((await stat(join(where, 'file 10'))).mtimeMs).to.equal(1e12)
      expect(await readFile(join(where, 'old'), 'utf8')).to.equal('new content')
      for (const index of [0, 1, 11, 39]) {
        expect(await readFile(join(where, `file ${index}`))).to.deep.equal(content(index))
      }
      expect(await readdir(where)).to.have.length(41)
    }
    await check(join(again.directory, 'away'))
    await home.allSent()
    await again.unmount()
    const plain = await home.mount()
    await check(join(plain.directory, 'away'))
    await plain.unmount()
  })

  it('loses nothing that was closed when it is killed among many writes, again and again', async () => {
    const closed = new Map<string, Buffer>()
    for (let round = 0; round < 3; round++) {
      const mount = await home.mount({ flags: FLAGS })
      const directory = join(mount.directory, 'killed')
      await mkdir(directory, { recursive: true })
      const pid = await mount.pid()
      const writers = [0, 1, 2].map(async (writer) => {
        for (let index = 0; ; index++) {
          const name = `${round} ${writer} ${index % 50}`
          const bytes = content(round * 1000 + writer * 100 + index)
          try {
            await writeFile(join(directory, name), bytes)
          } catch {
            closed.delete(name) // it was being written when the mount died
            return
          }
          closed.set(name, bytes)
        }
      })
      await until('many files are written', async () => closed.size >= (round + 1) * 100)
      process.kill(pid, 'SIGKILL')
      await Promise.all(writers)
      await ended(pid)
    }
    const mount = await home.mount()
    for (const [name, bytes] of closed) {
      const found = await readFile(join(mount.directory, 'killed', name))
      expect(found.equals(bytes), name).to.equal(true)
    }
    await home.allSent()
    const names = await readdir(join(mount.directory, 'killed'))
    expect(names.filter((name) => name.includes('conflict'))).to.deep.equal([])
    await mount.unmount()
  })

  it('survives that the server is killed while it sends', async () => {
    const mount = await home.mount({ flags: FLAGS })
    const directory = await folder(mount, 'server killed')
    for (let index = 0; index < 300; index++) {
      await writeFile(join(directory, `file ${index}`), content(index))
      if (index % 100 === 50) await server.stop('SIGKILL')
      if (index % 100 === 90) await server.restart()
    }
    await home.allSent()
    await mount.unmount()
    const plain = await home.mount()
    for (let index = 0; index < 300; index++) {
      const found = await readFile(join(plain.directory, 'server killed', `file ${index}`))
      expect(found.equals(content(index)), `file ${index}`).to.equal(true)
    }
    expect(await readdir(join(plain.directory, 'server killed'))).to.have.length(300)
    await plain.unmount()
  })

  it('keeps fsync(2) durable on the server: it does not return while the server is away', async () => {
    const mount = await home.mount({ flags: FLAGS })
    const directory = await folder(mount, 'synced')
    await server.stop('SIGKILL')
    await noticed()
    const path = join(directory, 'file')
    await writeFile(path, 'content')
    let isSynced = false
    const synced = outcome('sync', [path]).then(({ status: code }) => {
      isSynced = true
      return code
    })
    await until('it waits in the journal', async () => (await pending())?.files === 1)
    expect(isSynced).to.equal(false)
    await server.restart()
    expect(await synced).to.equal(0)
    expect((await pending())?.files).to.equal(0)
    await mount.unmount()
  })

  it('says while unmounting why it waits, stays mounted after Ctrl-C, and ends once all is sent', async () => {
    const mount = await home.mount({ flags: FLAGS })
    const directory = await folder(mount, 'unmounted')
    await home.allSent()
    await server.stop('SIGKILL')
    await noticed()
    await writeFile(join(directory, 'file'), Buffer.alloc(3_000_000, 1))
    const why =
      /2\.9 MiB in 1 file cannot be sent now: the server is away: .*Ctrl-C leaves it mounted/
    const given = home.start('unmount', mount.directory)
    await given.printed(why)
    await given.stop('SIGINT')
    expect(given.log()).to.include('stays mounted')
    expect((await pending())?.bytes).to.equal(3_000_000)
    const waiting = home.start('unmount', mount.directory)
    await waiting.printed(why)
    await server.restart()
    await waiting.printed(/is unmounted/)
    await waiting.ended
    const again = await home.mount()
    expect(await readFile(join(again.directory, 'unmounted', 'file'))).to.have.lengthOf(3_000_000)
    await again.unmount()
  })

  it('puts what was written here into a conflict copy when somebody else changed the file', async () => {
    const here = await home.mount({ flags: FLAGS })
    const directory = await folder(here, 'conflict')
    for (const name of ['changed.txt', 'removed.txt', 'same.txt']) {
      await writeFile(join(directory, name), 'before')
    }
    await home.allSent()
    await server.stop('SIGKILL')
    await noticed()
    for (const name of ['changed.txt', 'removed.txt', 'same.txt', 'new.txt']) {
      await writeFile(join(directory, name), `from here: ${name}`)
    }
    await killed(here)
    await server.restart()

    const other = await machine(server)
    const there = await other.mount()
    const elsewhere = join(there.directory, 'conflict')
    await writeFile(join(elsewhere, 'changed.txt'), 'from elsewhere')
    await writeFile(join(elsewhere, 'new.txt'), 'new from elsewhere')
    await unlink(join(elsewhere, 'removed.txt'))
    await there.unmount()
    await other.remove()

    const again = await home.mount({ flags: FLAGS })
    await home.allSent()
    const where = join(again.directory, 'conflict')
    const names = await readdir(where)
    const copyOf = (name: string): string => {
      const copies = names.filter((found) => found.startsWith(`${name} (conflict `))
      expect(copies, names.join()).to.have.length(1)
      return join(where, copies[0] ?? '')
    }
    expect(await readFile(join(where, 'changed.txt'), 'utf8')).to.equal('from elsewhere')
    expect(await readFile(copyOf('changed'), 'utf8')).to.equal('from here: changed.txt')
    expect(await readFile(join(where, 'new.txt'), 'utf8')).to.equal('new from elsewhere')
    expect(await readFile(copyOf('new'), 'utf8')).to.equal('from here: new.txt')
    expect(await readFile(copyOf('removed'), 'utf8')).to.equal('from here: removed.txt')
    expect(await readFile(join(where, 'same.txt'), 'utf8')).to.equal('from here: same.txt')
    expect(names).to.have.length(6)
    expect((await home.status()).mounts[0]?.conflicts).to.include({ overwritten: 0, copies: 3 })
    expect((await home.coffer('status')).stdout).to.include('CONFLICTS: 3 copies')
    await again.unmount()
  })

  it('appends what was appended, also when somebody else appended meanwhile', async () => {
    const here = await home.mount({ flags: FLAGS })
    const directory = await folder(here, 'log')
    await writeFile(join(directory, 'log'), 'one\n')
    await home.allSent()
    await server.stop('SIGKILL')
    await noticed()
    await appendFile(join(directory, 'log'), 'from here\n')
    await killed(here)
    await server.restart()
    const plain = await home.mount({ directory: join(home.home, 'plain'), flags: ['--read-only'] })
    expect(await readFile(join(plain.directory, 'log', 'log'), 'utf8')).to.equal('one\n')
    await plain.unmount()
    const other = await machine(server)
    const there = await other.mount()
    await appendFile(join(there.directory, 'log', 'log'), 'from elsewhere\n')
    await there.unmount()
    await other.remove()
    const again = await home.mount()
    await home.allSent()
    expect(await readFile(join(again.directory, 'log', 'log'), 'utf8')).to.equal(
      'one\nfrom elsewhere\nfrom here\n',
    )
    await again.unmount()
  })

  it('keeps names in order with what waits: rename, link, rmdir and rm -r', async () => {
    const mount = await home.mount({ flags: FLAGS })
    const directory = await folder(mount, 'names')
    for (let index = 0; index < 30; index++) {
      const name = join(directory, `file ${index}`)
      await writeFile(`${name}.tmp`, content(index))
      await rename(`${name}.tmp`, name)
    }
    expect(await readdir(directory)).to.have.length(30)
    const below = join(directory, 'below')
    await mkdir(below)
    await writeFile(join(below, 'file'), 'content')
    await rename(below, join(directory, 'elsewhere'))
    expect(await readFile(join(directory, 'elsewhere', 'file'), 'utf8')).to.equal('content')
    await rm(join(directory, 'elsewhere'), { recursive: true })
    await home.allSent()
    await mount.unmount()
    const plain = await home.mount()
    for (let index = 0; index < 30; index++) {
      const found = await readFile(join(plain.directory, 'names', `file ${index}`))
      expect(found.equals(content(index)), `file ${index}`).to.equal(true)
    }
    expect(await readdir(join(plain.directory, 'names'))).to.have.length(30)
    await plain.unmount()
  })

  it('lets a file go that is removed by another of its names while it waits', async () => {
    const mount = await home.mount({ flags: FLAGS })
    const directory = await folder(mount, 'links')
    for (let index = 0; index < 30; index++) {
      const [first, second] = [join(directory, `a${index}`), join(directory, `b${index}`)]
      await writeFile(first, 'content')
      await link(first, second)
      await unlink(first)
      await utimes(second, index, index)
      await appendFile(second, content(index))
      await (index % 2 === 0 ? unlink(second) : writeFile(first, content(index)))
    }
    await home.allSent()
    expect((await home.status()).mounts[0]?.conflicts.copies).to.equal(0)
    await mount.unmount()
    const plain = await home.mount()
    const kept = (await readdir(join(plain.directory, 'links'))).sort()
    const odd = Array.from({ length: 15 }, (_, half) => 2 * half + 1)
    expect(kept).to.deep.equal(odd.flatMap((index) => [`a${index}`, `b${index}`]).sort())
    for (const index of odd) {
      const found = await readFile(join(plain.directory, 'links', `a${index}`))
      expect(found.equals(content(index)), `a${index}`).to.equal(true)
    }
    await plain.unmount()
  })

  it('never sends a journal to somebody else', async () => {
    const mount = await home.mount({ flags: FLAGS })
    await folder(mount, 'mine')
    await server.stop('SIGKILL')
    await noticed()
    await writeFile(join(mount.directory, 'mine', 'file'), 'secret')
    await killed(mount)
    const journals = await readdir(join(home.home, 'state', 'journal'))
    expect(journals).to.have.length(1)

    const stranger = await startServer()
    const guest = await machine(stranger, {
      env: { COFFER_STATE_DIR: join(home.home, 'state'), COFFER_CONFIG_DIR: join(home.home, 'b') },
    })
    const theirs = await guest.mount({ flags: FLAGS })
    await writeFile(join(theirs.directory, 'theirs'), 'theirs')
    expect(await readdir(theirs.directory)).to.deep.equal(['theirs'])
    await theirs.unmount()
    await guest.remove()
    await stranger.remove()

    await server.restart()
    const again = await home.mount()
    await home.allSent()
    expect(await readFile(join(again.directory, 'mine', 'file'), 'utf8')).to.equal('secret')
    await again.unmount()
  })

  it('goes on without the journal when the local disk is full', async function () {
    requires(this, 'root')
    const state = join(home.home, 'state')
    await mkdir(state)
    await run('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', state])
    try {
      const mount = await home.mount({ flags: FLAGS })
      const directory = await folder(mount, 'full')
      const whole = Buffer.alloc(3_000_000, 'full')
      process.kill(server.pid, 'SIGSTOP')
      try {
        for (let index = 0; index < 8; index++)
          await writeFile(join(directory, `small ${index}`), content(index))
      } finally {
        process.kill(server.pid, 'SIGCONT')
      }
      for (let index = 0; index < 3; index++)
        await writeFile(join(directory, `large ${index}`), whole)
      await mount.unmount()
      const plain = await home.mount()
      for (let index = 0; index < 3; index++) {
        const found = await readFile(join(plain.directory, 'full', `large ${index}`))
        expect(found.equals(whole)).to.equal(true)
      }
      await plain.unmount()
    } finally {
      await run('umount', ['-l', state])
    }
  })

  it('lets writers wait when the journal is full', async () => {
    const mount = await home.mount({ flags: [...FLAGS, '--write-back-size', '1M'] })
    const directory = await folder(mount, 'bounded')
    const journal = join(home.home, 'state', 'journal')
    let most = 0
    for (let index = 0; index < 40; index++) {
      await writeFile(join(directory, `file ${index}`), Buffer.alloc(200_000, `${index}`))
      let bytes = 0
      for (const name of await readdir(journal, { recursive: true })) {
        bytes += await stat(join(journal, name)).then(
          (found) => (found.isFile() ? found.size : 0),
          () => 0,
        )
      }
      most = Math.max(most, bytes)
    }
    expect(most).to.be.at.most(1 << 20)
    await mount.unmount()
    const plain = await home.mount()
    for (let index = 0; index < 40; index++) {
      const found = await readFile(join(plain.directory, 'bounded', `file ${index}`))
      expect(found.equals(Buffer.alloc(200_000, `${index}`))).to.equal(true)
    }
    await plain.unmount()
  })

  it('tells of a journal that the disk has damaged, until somebody is rid of it', async () => {
    const mount = await home.mount({ flags: FLAGS })
    await folder(mount, 'damaged')
    await server.stop('SIGKILL')
    await noticed()
    for (const name of ['header', 'bytes', 'good']) {
      await writeFile(join(mount.directory, 'damaged', name), `content of ${name}`)
    }
    await killed(mount)
    const [segment = ''] = (
      await readdir(join(home.home, 'state', 'journal'), { recursive: true })
    ).filter((name) => name.endsWith('.journal'))
    const path = join(home.home, 'state', 'journal', segment)
    const journal = await readFile(path)
    for (const spoilt of ['"name":"header"', 'content of bytes']) {
      const at = journal.indexOf(spoilt)
      expect(at, spoilt).to.be.above(0)
      journal.writeUInt8(journal.readUInt8(at) ^ 1, at)
    }
    await writeFile(path, journal)

    await server.restart()
    const said = await home.coffer('mount', mount.directory)
    expect(said.status, said.stderr).to.equal(0)
    expect(said.stderr).to.match(/^Warning: the local disk has damaged .*"coffer damaged"/m)
    await home.allSent()
    expect(await readdir(join(mount.directory, 'damaged'))).to.deep.equal(['good'])
    await mount.unmount()

    const kept = `${path}.damaged`
    expect((await home.status()).damaged).to.deep.equal([
      { path: kept, bytes: journal.length, written: (await stat(kept)).mtime.toISOString() },
    ])
    expect((await home.coffer('status')).stdout).to.include(`A DAMAGED JOURNAL is kept: ${kept} (`)
    const lost = ': SOMETHING WRITTEN TO IT IS LOST'
    expect((await home.coffer('damaged')).stdout).to.match(
      new RegExp(`^${kept}: .*\n  bytes${lost}\n  good\n$`),
    )
    const removed = await home.coffer('damaged', '--remove')
    expect(removed.stderr).to.include(`${kept} is removed.`)
    expect((await home.coffer('status')).stdout).to.not.match(/damaged/i)
    expect((await home.coffer('damaged')).stderr).to.include('No damaged journal')
  })

  it('says at unmount what waits, and keeps it with --force', async () => {
    const mount = await home.mount({ flags: FLAGS })
    await folder(mount, 'forced')
    await server.stop('SIGKILL')
    await noticed()
    await writeFile(join(mount.directory, 'forced', 'file'), 'content')
    const {
      stdout,
      stderr,
      status: code,
    } = await home.coffer('unmount', '--force', mount.directory)
    expect(code, stderr).to.equal(0)
    expect(stdout + stderr).to.match(/Kept, and sent at the next mount: 7 bytes in 1 file/)
    expect(stdout + stderr).to.not.match(/lost/)
    await server.restart()
    const again = await home.mount()
    await home.allSent()
    expect(await readFile(join(again.directory, 'forced', 'file'), 'utf8')).to.equal('content')
    await again.unmount()
  })
})
