import { watch } from 'node:fs'
import {
  appendFile,
  copyFile,
  readdir,
  readFile,
  rename,
  stat,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { TooLate } from '../../../client/briefly.js'
import { codeOf } from '../../../client/error-of.js'
import { Journal, type JournalOptions } from '../../../client/journal/journal.js'
import type { Change } from '../../../client/journal/record.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { openFiles } from '../../support/open-files.js'
import { requires } from '../../support/requires.js'
import { type SmallDisk, smallDisk } from '../../support/small-disk.js'
import { until } from '../../support/until.js'
import { MemoryMount } from '../fuse/memory-mount.js'

const LIMIT = 64 << 20
/** On a disk that is known to hang. */
const IMPATIENT = { patienceMilliseconds: 500 }

/** A segment that was tried in vain. */
function unlessGone(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error
}

describe('the journal of a mount', () => {
  let directory: string
  let log: string[]

  beforeEach(async () => {
    directory = await temporaryDirectory('journal')
    log = []
  })
  afterEach(() => removeDirectory(directory))

  async function opened(
    limitBytes = LIMIT,
    where = directory,
    options: Partial<JournalOptions> = {},
  ): Promise<Journal> {
    const told = { limitBytes, log: (message: string) => log.push(message) }
    const journal = await Journal.open(join(where, 'journal'), { ...told, ...options })
    if (journal === undefined) throw new Error('somebody else has the journal')
    return journal
  }

  const birth = (id: number): Change => ({
    kind: 'birth',
    id,
    ino: 1000 + id,
    place: { directory: 1, name: `file ${id}` },
    attributes: { mode: 0o644, uid: 0, gid: 0, atime: '1', mtime: '1' },
  })

  async function appended(journal: Journal, ...contents: string[]): Promise<number[]> {
    const ids = contents.map((content) => {
      const id = journal.nextId()
      return { id, ...journal.append(birth(id), [Buffer.from(content)]) }
    })
    await Promise.all(ids.map(({ stored }) => stored))
    return ids.map(({ id }) => id)
  }

  async function contents(journal: Journal): Promise<string[]> {
    return Promise.all(journal.recovered.map(async ({ data }) => (await data.whole()).toString()))
  }

  /** Ends a journal as kill -9 does: what is in it stays. */
  async function abandoned(journal: Journal): Promise<void> {
    await journal.close()
  }

  async function segments(): Promise<string[]> {
    const names = await readdir(join(directory, 'journal'))
    return names.filter((name) => name.endsWith('.journal')).sort()
  }

  it('gives back what is not done, in order, and nothing else', async () => {
    const journal = await opened()
    const [, second = 0] = await appended(journal, 'one', 'two', 'three')
    journal.done(second)
    await abandoned(journal)
    const next = await opened()
    expect(await contents(next)).to.deep.equal(['one', 'three'])
    expect(next.nextId()).to.equal(4)
    await next.close()
  })

  it('removes what is done from the oldest on, and all of it before it is closed', async () => {
    const limit = 4 << 20
    const journal = await opened(limit)
    const count = 30
    const large = 'x'.repeat(limit / 8 + 1)
    const ids = await appended(journal, ...Array.from({ length: count }, () => large))
    const names = await segments()
    expect(names.length).to.be.above(count / 3)
    const gone: (string | null)[] = []
    const watcher = watch(join(directory, 'journal'), (event, name) => {
      if (event === 'rename') gone.push(name)
    })
    try {
      for (const id of ids) journal.done(id)
      await journal.close()
      expect(await segments()).to.deep.equal([])
      const last = names.at(-1) ?? ''
      await until('the last is seen to go', async () => gone.includes(last))
      expect(gone.filter((name) => names.includes(name ?? ''))).to.deep.equal(names)
    } finally {
      watcher.close()
    }
  })

  it('is for its user alone: 0700 and 0600', async () => {
    const journal = await opened()
    await appended(journal, 'secret')
    expect((await stat(join(directory, 'journal'))).mode & 0o777).to.equal(0o700)
    const [name = ''] = await segments()
    expect((await stat(join(directory, 'journal', name))).mode & 0o777).to.equal(0o600)
    await journal.close()
  })

  it('belongs to one mount at a time', async () => {
    const journal = await opened()
    const options = { limitBytes: LIMIT, log: () => {} }
    expect(await Journal.open(join(directory, 'journal'), options)).to.equal(undefined)
    await journal.close()
    const next = await opened()
    await next.close()
  })

  it('drops a torn last record, wherever it is torn, and keeps all before it', async () => {
    const journal = await opened()
    await appended(journal, 'first', 'second')
    const [name = ''] = await segments()
    const path = join(directory, 'journal', name)
    const whole = (await stat(path)).size
    await appended(journal, 'the last one')
    await abandoned(journal)
    const bytes = await readFile(path)
    for (let size = whole; size < bytes.length; size++) {
      await writeFile(path, bytes.subarray(0, size))
      const next = await opened()
      expect(await contents(next), `${size} bytes`).to.deep.equal(['first', 'second'])
      await abandoned(next)
    }
    await writeFile(path, bytes)
    const next = await opened()
    expect(await contents(next)).to.deep.equal(['first', 'second', 'the last one'])
    await next.close()
    expect(log).to.have.length(bytes.length - whole - 1)
  })

  it('drops a last record with one wrong byte, wherever that is', async () => {
    const journal = await opened()
    await appended(journal, 'first')
    const [name = ''] = await segments()
    const path = join(directory, 'journal', name)
    const whole = (await stat(path)).size
    await appended(journal, 'the last one')
    await abandoned(journal)
    const bytes = await readFile(path)
    for (let at = whole; at < bytes.length; at++) {
      const flawed = Buffer.from(bytes)
      flawed.writeUInt8(flawed.readUInt8(at) ^ 0x10, at)
      await writeFile(path, flawed)
      const next = await opened()
      expect(await contents(next), `byte ${at}`).to.deep.equal(['first'])
      await abandoned(next)
    }
  })

  it('keeps what follows a damaged record that was on the disk, and says so', async () => {
    const journal = await opened()
    for (const content of ['first', 'second', 'third', 'fourth']) await appended(journal, content)
    await abandoned(journal)
    const [name = ''] = await segments()
    const path = join(directory, 'journal', name)
    const bytes = await readFile(path)
    const flaw = bytes.indexOf('"id":2')
    bytes.writeUInt8(0x39, flaw + 5)
    await writeFile(path, bytes)
    const next = await opened()
    expect(await contents(next)).to.deep.equal(['first', 'third', 'fourth'])
    expect(log).to.have.length(1)
    await next.close()
  })

  it('keeps every damaged segment aside, under a name of its own', async () => {
    const aside = async () => {
      const names = await readdir(join(directory, 'journal'))
      return names.filter((name) => name.endsWith('.damaged')).sort()
    }
    for (const word of ['earlier', 'later']) {
      const journal = await opened()
      await appended(journal, word)
      await abandoned(journal)
      const [name = ''] = await segments()
      const path = join(directory, 'journal', name)
      const bytes = await readFile(path)
      bytes.write('none', 0)
      await writeFile(path, bytes)
      const next = await opened()
      for (const { change } of next.recovered) next.done(change.id)
      await next.close()
    }
    const [earlier = '', later = ''] = await aside()
    const read = (name: string) => readFile(join(directory, 'journal', name), 'latin1')
    expect(await read(earlier)).to.include('earlier')
    expect(await read(later)).to.include('later')
  })

  it('does not take the bytes of a journal in a file for records', async () => {
    const journal = await opened()
    await appended(journal, 'inner')
    await abandoned(journal)
    const [name = ''] = await segments()
    const inner = await readFile(join(directory, 'journal', name))
    const next = await opened()
    const id = next.nextId()
    await next.append(birth(id), [inner]).stored
    await abandoned(next)
    const [, second = ''] = await segments()
    const path = join(directory, 'journal', second)
    await truncate(path, (await stat(path)).size - 1)
    const last = await opened()
    expect(await contents(last)).to.deep.equal(['inner'])
    await last.close()
  })

  describe('on a full disk', () => {
    let disk: SmallDisk

    beforeEach(async function () {
      requires(this, 'root')
      await removeDirectory(directory)
      disk = await smallDisk('journal', 1 << 20)
      directory = disk.directory
    })
    afterEach(() => disk?.remove())

    const SMALL = 256 << 10

    /** A journal with a change that is not done, and two that were done when there was no room to say so. */
    async function withoutRoom(): Promise<Journal> {
      const journal = await opened(SMALL)
      const ids = await appended(journal, 'one', 'two', 'x'.repeat(10_000))
      await disk.fill()
      for (const id of ids.slice(0, 2)) {
        journal.done(id)
        for (const _ of ['with it', 'after it']) await isRefused(journal)
      }
      return journal
    }

    async function isRefused(journal: Journal): Promise<void> {
      const refused = await appended(journal, 'x'.repeat(10_000)).catch((error: unknown) => error)
      expect(refused).to.be.an('error')
    }

    /** What a mount finds after this one was killed now. */
    async function foundAfterwards(): Promise<number[]> {
      const elsewhere = await temporaryDirectory('crashed')
      try {
        for (const name of await readdir(join(directory, 'journal')))
          await copyFile(join(directory, 'journal', name), join(elsewhere, name)).catch(unlessGone)
        const options = { limitBytes: SMALL, log: (message: string) => log.push(message) }
        const crashed = await Journal.open(elsewhere, options)
        await crashed?.close()
        return crashed?.recovered.map(({ change }) => change.id) ?? []
      } finally {
        await removeDirectory(elsewhere)
      }
    }

    it('says what is done where room was kept for that', async () => {
      const journal = await withoutRoom()
      expect(await foundAfterwards()).to.deep.equal([3])
      expect(log).to.deep.equal([])
      await journal.close()
    })

    it('takes changes again once there is room for what is to be said of them, too', async () => {
      const journal = await withoutRoom()
      await disk.clear()
      const [next = 0] = await appended(journal, 'next')
      await disk.fill()
      journal.done(next)
      await isRefused(journal)
      expect(await foundAfterwards()).to.deep.equal([3])
      await journal.close()
    })

    it('leaves a mount that begins what it needs, and notes of that one, too, what is done', async () => {
      for (const before of ['it was full', 'it became full when the mount had been killed']) {
        const first = await opened(SMALL)
        const [one = 0, two = 0] = await appended(first, 'one', 'two', 'three')
        if (before === 'it was full') {
          await disk.fill()
          await isRefused(first)
          first.done(one)
        }
        await abandoned(first)
        await disk.fill()
        const next = await opened(SMALL)
        await writeFile(join(directory, 'found by commands'), 'x'.repeat(4096))
        await disk.fill()
        next.done(two)
        await abandoned(next)
        expect(await foundAfterwards(), before).to.not.include(two)
        await removeDirectory(join(directory, 'journal'))
        await disk.clear()
      }
    })

    describe('with more to say than there is room for', () => {
      /** All changes but the first are done. */
      async function overfull(): Promise<Journal> {
        const journal = await opened(SMALL)
        const ids = await appended(journal, ...Array.from({ length: 1000 }, () => 'x'))
        await disk.fill()
        for (const id of ids.slice(1)) journal.done(id)
        await isRefused(journal)
        return journal
      }

      it('says it as soon as there is room again', async () => {
        const journal = await overfull()
        expect(await foundAfterwards()).to.have.length.above(1)
        await disk.clear()
        const [next = 0] = await appended(journal, 'next')
        await appended(journal, 'the one after')
        expect(await foundAfterwards()).to.deep.equal([1, next, next + 1])
        expect(Number.parseInt((await segments()).at(-1) ?? '', 10), 'tries').to.be.below(30)
        await journal.close()
      })

      it('says it at its end, if there is room by then', async () => {
        const journal = await overfull()
        await disk.clear()
        await journal.close()
        expect(await foundAfterwards()).to.deep.equal([1])
      })
    })
  })

  describe('on a disk that hangs', () => {
    let disk: MemoryMount

    beforeEach(async function () {
      requires(this, 'fuse')
      this.timeout(60_000)
      disk = await MemoryMount.start()
    })
    afterEach(async () => {
      await disk?.ask({ kind: 'stick', how: 'no' })
      await disk?.stop()
    })

    it('takes no changes, forgets those that get there after all, and notes what is done later', async () => {
      const journal = await opened(LIMIT, disk.directory, IMPATIENT)
      const [before = 0] = await appended(journal, 'before')
      await disk.ask({ kind: 'stick', how: 'frozen' })
      for (const content of ['late', 'later']) {
        const told = await appended(journal, content).catch((error: unknown) => error)
        expect(told).to.be.instanceOf(TooLate)
        expect(journal.isHanging).to.equal(true)
      }
      journal.done(before)
      await disk.ask({ kind: 'stick', how: 'no' })
      await until('it takes changes again', async () => !journal.isHanging)
      await appended(journal, 'after')
      await abandoned(journal)
      const again = await opened(LIMIT, disk.directory, IMPATIENT)
      expect(await contents(again)).to.deep.equal(['after'])
      expect(log).to.deep.equal([])
      await again.close()
    })

    it('leaves nothing of what it could not begin there, also when all before is done meanwhile', async () => {
      const earlier = await opened(LIMIT, disk.directory, IMPATIENT)
      await appended(earlier, 'before')
      await earlier.close()
      const journal = await opened(LIMIT, disk.directory, IMPATIENT)
      await disk.ask({ kind: 'stick', how: 'frozen' })
      const told = await appended(journal, 'late').catch((error: unknown) => error)
      expect(told).to.be.instanceOf(TooLate)
      for (const { change } of journal.recovered) journal.done(change.id)
      await disk.ask({ kind: 'stick', how: 'no' })
      await until('it takes changes again', async () => !journal.isHanging)
      await journal.close()
      expect(await readdir(join(disk.directory, 'journal'))).to.deep.equal(['lock'])
      expect(await openFiles(join(disk.directory, 'journal'))).to.deep.equal([])
    })

    it('holds no memory for what cannot be read yet', async () => {
      await disk.stop()
      disk = await MemoryMount.start({ directIo: true }) // each read gets there
      const earlier = await opened(LIMIT, disk.directory, IMPATIENT)
      const content = 'x'.repeat(4 << 20)
      await appended(earlier, content, 'the last, which is read when it is opened')
      await earlier.close()
      const journal = await opened(LIMIT, disk.directory, IMPATIENT)
      await disk.ask({ kind: 'stick', how: 'frozen' })
      const before = process.memoryUsage().arrayBuffers
      const reading = Array.from({ length: 50 }, () => journal.recovered[0]?.data.whole())
      await disk.ask({ kind: 'stuck', readers: 3 })
      expect(process.memoryUsage().arrayBuffers - before).to.be.below(20 << 20)
      await disk.ask({ kind: 'stick', how: 'no' })
      const lengths = (await Promise.all(reading)).map((data) => data?.length)
      expect(new Set(lengths)).to.deep.equal(new Set([content.length]))
      await journal.close()
    })
  })

  it('is empty on the disk once everything is done', async () => {
    const journal = await opened()
    const ids = await appended(journal, 'one', 'two')
    for (const id of ids) journal.done(id)
    await journal.close()
    expect(await segments()).to.deep.equal([])
  })

  it('removes segments when they are done, the oldest first, and never a mark before its change', async () => {
    const journal = await opened(4 << 20)
    const big = 'x'.repeat(900_000)
    const [first = 0, ...others] = await appended(journal, big, big, big, big)
    expect(await segments()).to.have.length(4)
    expect(journal.hasRoom(900_000)).to.equal(false)
    for (const id of others) journal.done(id)
    await abandoned(journal)
    const next = await opened(4 << 20)
    expect(await contents(next)).to.deep.equal([big])
    next.done(first)
    await until('room for more', async () => next.hasRoom(900_000))
    await next.close()
    expect(await segments()).to.deep.equal([])
  })

  it('survives garbage where a segment should be', async () => {
    const journal = await opened()
    await appended(journal, 'one')
    await abandoned(journal)
    await writeFile(join(directory, 'journal', '000000.journal'), 'no journal at all')
    const [, name = ''] = await segments()
    await appendFile(join(directory, 'journal', name), Buffer.alloc(300_000, 'CREC'))
    const next = await opened()
    expect(await contents(next)).to.deep.equal(['one'])
    expect(log).to.have.length(2)
    await next.close()
  })

  it('takes room for no damage that was to be a segment, and that nothing was written to', async () => {
    const journal = await opened()
    await appended(journal, 'kept')
    await abandoned(journal)
    const at = (name: string) => join(directory, 'journal', name)
    await rename(at('reserve'), at('000002.journal'))
    const next = await opened()
    expect(await contents(next)).to.deep.equal(['kept'])
    expect([next.isDamaged, log]).to.deep.equal([false, []])
    await next.close()
  })

  it('leaves a mount that begins all room, if nothing waits', async () => {
    const journal = await opened()
    await appended(journal, 'one')
    await abandoned(journal)
    const names = async () => (await readdir(join(directory, 'journal'))).sort()
    expect(await names()).to.deep.equal(['000001.journal', 'lock', 'reserve'])
    await unlink(join(directory, 'journal', '000001.journal'))
    const next = await opened()
    expect(await names()).to.deep.equal(['lock'])
    await appended(next, 'two')
    expect(await names()).to.include('reserve')
    await next.close()
  })

  it('takes many at once', async () => {
    const journal = await opened()
    const many = Array.from({ length: 500 }, (_, index) => `content ${index}`)
    await appended(journal, ...many)
    await abandoned(journal)
    const next = await opened()
    expect(await contents(next)).to.deep.equal(many)
    await next.close()
  })
})
