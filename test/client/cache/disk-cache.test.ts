import { randomBytes } from 'node:crypto'
import {
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  statfs,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { DiskCache } from '../../../client/cache/disk-cache.js'
import type { ContentKey } from '../../../client/cache/disk-cache-entry.js'
import { codeOf } from '../../../client/error-of.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { ended } from '../../support/is-running.js'
import { type Machine, machine } from '../../support/mount.js'
import { run } from '../../support/process.js'
import { requires } from '../../support/requires.js'
import { startServer, type TestServer } from '../../support/server.js'
import { type SmallDisk, smallDisk } from '../../support/small-disk.js'
import { until } from '../../support/until.js'
import { MemoryMount } from '../fuse/memory-mount.js'

const BLOCK = 64 << 10
const KEY: ContentKey = { ino: 7, generation: 1, version: 3, mtime: '1000', size: 1 << 20 }

describe('the cache on the local disk', () => {
  let directory: string
  let log: string[]

  beforeEach(async () => {
    directory = await temporaryDirectory('cache')
    log = []
  })
  afterEach(() => removeDirectory(directory))

  async function opened(bytes = 16 << 20, where = directory): Promise<DiskCache> {
    const cache = await DiskCache.open(where, bytes, (message) => log.push(message))
    if (cache === undefined) throw new Error('no cache is free')
    return cache
  }

  it('gives back what was stored, also after a restart, in files for its user alone', async () => {
    const block = randomBytes(BLOCK)
    const cache = await opened()
    await cache.write(KEY, 2, block)
    expect(await cache.read(KEY, 2)).to.deep.equal(block)
    expect(await cache.read(KEY, 1)).to.equal(undefined)
    await cache.close()
    const again = await opened()
    expect(await again.read(KEY, 2)).to.deep.equal(block)
    await again.close()
    expect((await stat(join(directory, '1'))).mode & 0o777).to.equal(0o700)
    for (const name of await readdir(join(directory, '1'))) {
      expect((await stat(join(directory, '1', name))).mode & 0o777, name).to.equal(0o600)
    }
  })

  /** What this process has open. */
  async function openFiles(): Promise<string[]> {
    const descriptors = await readdir('/proc/self/fd')
    return Promise.all(
      descriptors.map((descriptor) => readlink(`/proc/self/fd/${descriptor}`).catch(() => '')),
    )
  }

  const others: [what: string, change: Partial<ContentKey>][] = [
    ['version', { version: 4 }],
    ['generation', { generation: 2 }],
    ['time', { mtime: '1001' }],
    ['size', { size: 5 }],
    ['inode', { ino: 8 }],
  ]
  for (const [what, change] of others) {
    it(`serves no block of another ${what}`, async () => {
      const cache = await opened()
      await cache.write(KEY, 0, randomBytes(BLOCK))
      expect(await cache.read({ ...KEY, ...change }, 0)).to.equal(undefined)
      await cache.close()
    })
  }

  for (const name of ['64k.blocks', '64k.index']) {
    it(`takes damage in ${name} for a miss`, async () => {
      const cache = await opened()
      await cache.write(KEY, 0, randomBytes(1000))
      await cache.close()
      const path = join(directory, '1', name)
      const bytes = await readFile(path)
      const used = name === '64k.index' ? 52 : 1000
      for (let at = 0; at < used; at += name === '64k.index' ? 1 : 13) {
        const damaged = Buffer.from(bytes)
        damaged.writeUInt8(damaged.readUInt8(at) ^ 0x80, at)
        await writeFile(path, damaged)
        const again = await opened()
        expect(await again.read(KEY, 0), `byte ${at}`).to.equal(undefined)
        await again.close()
      }
    })
  }

  it('never takes more than its size, and gives up what was not used for the longest time', async () => {
    const cache = await opened(16 * BLOCK)
    for (let block = 0; block < 15; block++) await cache.write(KEY, block, randomBytes(BLOCK))
    await cache.read(KEY, 0)
    for (let block = 15; block < 20; block++) await cache.write(KEY, block, randomBytes(BLOCK))
    expect(await cache.read(KEY, 0)).to.have.length(BLOCK)
    expect(await cache.read(KEY, 1)).to.equal(undefined)
    expect(await cache.read(KEY, 19)).to.have.length(BLOCK)
    let bytes = 0
    for (const name of await readdir(join(directory, '1'))) {
      bytes += (await stat(join(directory, '1', name))).size
    }
    expect(bytes).to.be.at.most(16 * BLOCK)
    await cache.close()
    const smaller = await opened(8 * BLOCK)
    await smaller.close()
    const { size } = await stat(join(directory, '1', '64k.blocks'))
    expect(size).to.be.at.most(8 * BLOCK)
  })

  it('takes no room for blocks of another size than it has now', async () => {
    const large = await opened(16 * 2 ** 30)
    await large.write(KEY, 0, randomBytes(BLOCK))
    await large.close()
    const small = await opened()
    expect(await readdir(join(directory, '1'))).to.have.members(['64k.blocks', '64k.index', 'lock'])
    await small.close()
  })

  it('keeps no more than 16 MiB of what waits for the disk', async () => {
    const cache = await opened(64 << 20)
    const blocks = Array.from({ length: 512 }, (_, block) => block)
    const key = { ...KEY, size: 512 * BLOCK }
    const data = randomBytes(BLOCK)
    await Promise.all(blocks.map((block) => cache.write(key, block, data)))
    const kept = await Promise.all(blocks.map((block) => cache.read(key, block)))
    expect(kept.filter((block) => block !== undefined)).to.have.length(256)
    await cache.write(key, 511, data)
    expect(await cache.read(key, 511)).to.deep.equal(data)
    await cache.close()
  })

  it('leaves threads to the mount, however many blocks are to be written', async () => {
    const cache = await opened()
    const working = () =>
      process.getActiveResourcesInfo().filter((kind) => kind === 'FSReqPromise').length
    const before = working()
    const writes = Array.from({ length: 100 }, (_, block) =>
      cache.write(KEY, block, randomBytes(BLOCK)),
    )
    await Promise.resolve() // each begins as soon as it may
    expect(working() - before).to.be.within(1, 3)
    await Promise.all(writes)
    for (let block = 0; block < 100; block++) {
      expect(await cache.read(KEY, block), `${block}`).to.have.length(BLOCK)
    }
    await cache.close()
  })

  it('does not keep a block beyond 256 TiB', async () => {
    const cache = await opened()
    const key = { ...KEY, size: 2 ** 52 }
    await cache.write(key, 2 ** 32, randomBytes(BLOCK))
    expect(await cache.read(key, 2 ** 32)).to.equal(undefined)
    await cache.close()
  })

  it('is switched off when its directory is removed, holds nothing of it, and says so', async () => {
    const cache = await opened()
    await cache.write(KEY, 0, randomBytes(BLOCK))
    await rm(directory, { recursive: true })
    await cache.write(KEY, 1, randomBytes(BLOCK))
    expect(await cache.read(KEY, 0)).to.equal(undefined)
    expect(log).to.have.length(1)
    const held = (await openFiles()).filter((path) => path.startsWith(directory))
    expect(held.filter((path) => /blocks|index/.test(path))).to.deep.equal([])
    await cache.close()
  })

  it('gives each mount a part of its own', async () => {
    const one = await opened()
    const two = await opened()
    await one.write(KEY, 0, Buffer.from('one'))
    expect(await two.read(KEY, 0)).to.equal(undefined)
    await one.close()
    await two.close()
  })

  describe('on a small disk', () => {
    let disk: SmallDisk

    beforeEach(async function () {
      requires(this, 'root')
      disk = await smallDisk('cache', 512 << 10)
    })
    afterEach(() => disk?.remove())

    it('leaves room to others, keeps what was used last, and says so once', async () => {
      const cache = await opened(1 << 20, disk.directory)
      for (let block = 0; block < 16; block++) await cache.write(KEY, block, randomBytes(BLOCK))
      expect(await cache.read(KEY, 15)).to.have.length(BLOCK)
      expect(await cache.read(KEY, 0)).to.equal(undefined)
      const { bavail, blocks } = await statfs(disk.directory)
      expect(bavail / blocks).to.be.above(0.05)
      expect(log).to.have.length(1)
      await cache.close()
    })

    it('serves what it has while the disk is full, and goes on when there is room again', async () => {
      const cache = await opened(1 << 20, disk.directory)
      await cache.write(KEY, 0, randomBytes(BLOCK))
      await disk.fill()
      expect(await cache.read(KEY, 0)).to.have.length(BLOCK)
      await cache.write(KEY, 1, randomBytes(BLOCK))
      await disk.clear()
      for (const block of [2, 3]) await cache.write(KEY, block, randomBytes(BLOCK))
      for (const block of [2, 3]) expect(await cache.read(KEY, block)).to.have.length(BLOCK)
      expect(log).to.have.length(1)
      await cache.close()
    })
  })

  describe('on a disk that hangs', () => {
    let disk: MemoryMount

    beforeEach(async function () {
      requires(this, 'fuse')
      this.timeout(60_000)
      disk = await MemoryMount.start({ directIo: true })
    })
    afterEach(async () => {
      await disk?.ask({ kind: 'stick', how: 'no' })
      await disk?.stop()
    })

    it('lets nobody wait, and goes on when it answers again', async () => {
      const cache = await opened(16 << 20, disk.path('cache'))
      const blocks = Array.from({ length: 8 }, (_, block) => block)
      for (const block of blocks) await cache.write(KEY, block, randomBytes(BLOCK))
      await disk.ask({ kind: 'stick', how: 'deaf' })
      const found = await Promise.all(blocks.map((block) => cache.read(KEY, block)))
      expect(found.every((block) => block === undefined)).to.equal(true)
      expect(await cache.read(KEY, 0)).to.equal(undefined)
      expect(log).to.have.length(1)
      await disk.ask({ kind: 'stick', how: 'no' })
      await until('it is read again', async () => (await cache.read(KEY, 0)) !== undefined)
      for (const block of blocks) expect(await cache.read(KEY, block)).to.have.length(BLOCK)
      await cache.close()
    })
  })

  it('holds nothing where it could not be opened', async () => {
    await mkdir(join(directory, '1', '64k.index'), { recursive: true })
    expect(await opened().catch(codeOf)).to.equal('EISDIR')
    expect((await openFiles()).filter((path) => path.startsWith(directory))).to.deep.equal([])
  })

  it('survives garbage', async () => {
    const cache = await opened()
    await cache.close()
    await writeFile(join(directory, '1', '64k.index'), randomBytes(200_000))
    const again = await opened()
    for (let block = 0; block < 50; block++) {
      expect(await again.read(KEY, block)).to.equal(undefined)
      await again.write(KEY, block, Buffer.from(`${block}`))
      expect(`${await again.read(KEY, block)}`).to.equal(`${block}`)
    }
    await again.close()
  })
})

describe('coffer mount --cache-dir', function () {
  this.timeout(120_000)

  let server: TestServer
  let home: Machine

  before(async function () {
    requires(this, 'fuse')
    server = await startServer()
    home = await machine(server)
    await home.login()
  })
  after(async () => {
    await home?.remove()
    await server?.remove()
  })

  it('reads from the disk what was read before the mount was restarted, and never what has changed', async () => {
    const flags = ['--cache-dir', join(home.home, 'cache'), '--cache-size', '64M']
    const long = randomBytes(3_000_001)
    const plain = await home.mount()
    await writeFile(join(plain.directory, 'long'), long)
    await writeFile(join(plain.directory, 'short'), 'short')
    await plain.unmount()

    const first = await home.mount({ flags })
    expect((await readFile(join(first.directory, 'long'))).equals(long)).to.equal(true)
    expect(await readFile(join(first.directory, 'short'), 'utf8')).to.equal('short')
    expect((await first.status()).reads.network.bytes).to.be.at.least(long.length)
    await first.unmount()

    const second = await home.mount({ flags })
    expect((await readFile(join(second.directory, 'long'))).equals(long)).to.equal(true)
    expect(await readFile(join(second.directory, 'short'), 'utf8')).to.equal('short')
    const counts = (await second.status()).reads
    expect(counts.network).to.deep.equal({ reads: 0, bytes: 0 })
    expect(counts.disk.bytes).to.be.at.least(long.length)
    expect(counts.served.bytes).to.be.at.least(long.length)
    await second.unmount()

    const changed = Buffer.from(long)
    changed.fill('x', 100, 200)
    const other = await home.mount()
    const file = await open(join(other.directory, 'long'), 'r+')
    await file.write(changed, 100, 100, 100)
    await file.close()
    await other.unmount()

    const third = await home.mount({ flags })
    expect((await readFile(join(third.directory, 'long'))).equals(changed)).to.equal(true)
    await third.unmount()
  })

  it('does without one that hangs from the beginning, and says so', async () => {
    const cache = join(home.home, 'hanging')
    const flags = ['--cache-dir', cache, '--cache-size', '64M']
    const first = await home.mount({ flags })
    await first.unmount()
    const [account = ''] = await readdir(cache)
    const index = join(cache, account, '1', '64k.index')
    await rm(index)
    await run('mkfifo', [index]) // who reads it waits
    const second = await home.mount({ flags })
    const pid = await second.pid()
    expect(await readFile(join(second.directory, 'short'), 'utf8')).to.equal('short')
    await second.unmount()
    await ended(pid)
  })

  describe('on a disk that hangs', () => {
    let disk: MemoryMount

    before(async () => {
      disk = await MemoryMount.start({ directIo: true })
    })
    after(() => disk?.stop())

    it('is not waited for by who mounts', async () => {
      const flags = ['--cache-dir', disk.path('links', 'cache'), '--cache-size', '64M']
      disk.process.kill('SIGSTOP')
      try {
        const { directory, unmount } = await home.mount({ flags })
        expect(await readdir(directory)).to.be.an('array')
        await unmount()
      } finally {
        disk.process.kill('SIGCONT')
      }
    })

    it('reads from the server, and ends when it is unmounted', async () => {
      const flags = ['--cache-dir', disk.path('cache'), '--cache-size', '64M']
      const content = randomBytes(3_000_001)
      const first = await home.mount({ flags })
      await writeFile(join(first.directory, 'hanging'), content)
      await first.unmount()
      const second = await home.mount({ flags })
      await readFile(join(second.directory, 'hanging'))
      await second.unmount()

      const third = await home.mount({ flags })
      const pid = await third.pid()
      await disk.ask({ kind: 'stick', how: 'deaf' })
      try {
        expect((await readFile(join(third.directory, 'hanging'))).equals(content)).to.equal(true)
        expect((await third.status()).reads.disk.bytes).to.equal(0)
        await third.unmount()
        await ended(pid)
      } finally {
        await disk.ask({ kind: 'stick', how: 'no' })
      }
    })
  })
})
