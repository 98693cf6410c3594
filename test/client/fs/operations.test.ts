import { expect } from 'chai'
import type { Soon } from '../../../client/fuse/soon.js'
import { RemoteError } from '../../../client/remote-error.js'
import { until } from '../../support/until.js'
import {
  caller,
  O_APPEND,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  ROOT,
} from './kernel-calls.js'
import { type Machine, twoMachines, type World } from './local-mount.js'
import { LISTED_AT_ONCE } from './local-remote-files.js'

/** Of renameat2(2). */
const RENAME_EXCHANGE = 2

const PART = 4 << 20

describe('the mount file system', () => {
  let earth: World
  let here: Machine
  let there: Machine

  beforeEach(async () => {
    ;({ earth, here, there } = await twoMachines())
  })
  afterEach(() => earth.close())

  async function refused(work: Soon<unknown>): Promise<unknown> {
    try {
      await work
    } catch (error) {
      return (error as { code?: unknown }).code
    }
    throw new Error('nothing was refused')
  }

  describe('a new file', () => {
    it('costs one request with its content, mode and times', async () => {
      const { fs, requests, calls } = here
      await calls.store(ROOT, 'first', 'takes numbers')
      expect(await calls.lookup(ROOT, 'new')).to.include({ node: 0 })
      requests.clear()
      const file = await calls.create(ROOT, 'new')
      await fs.write(file.node, file.handle, 0, Buffer.from('content'), caller)
      await fs.setattr(file.node, { mode: 0o640, mtime: 1_000_000_007n }, file.handle, caller)
      await fs.flush(file.node, file.handle, caller)
      await fs.release(file.node, file.handle, caller)
      expect(requests.made).to.deep.equal(['put new'])
      const { attributes } = await there.calls.lookup(ROOT, 'new')
      const mtime = { seconds: 1, nanoseconds: 7 }
      expect(attributes).to.deep.include({ mode: 0o100640, mtime, size: 7 })
      expect(attributes.ino).to.equal(file.attributes.ino)
    })

    it('gets the nearest time there is for one that is too early or too late', async () => {
      const { fs, calls } = here
      const file = await calls.create(ROOT, 'later')
      const second = 1_000_000_000n
      const times = { atime: -30_000_000_000n * second, mtime: 16_725_225_600n * second + 5n }
      await fs.setattr(file.node, times, file.handle, caller)
      await fs.flush(file.node, file.handle, caller)
      await fs.release(file.node, file.handle, caller)
      const { attributes } = await there.calls.lookup(ROOT, 'later')
      expect(attributes).to.deep.include({
        atime: { seconds: -9_223_372_036, nanoseconds: 0 },
        mtime: { seconds: 9_223_372_036, nanoseconds: 0 },
      })
    })

    it('with O_EXCL exists on the server before open(2) returns, on one machine only', async () => {
      await here.calls.lookup(ROOT, 'lock')
      await there.calls.lookup(ROOT, 'lock')
      await here.calls.create(ROOT, 'lock', O_WRONLY | O_EXCL)
      const error = await refused(there.calls.create(ROOT, 'lock', O_WRONLY | O_EXCL))
      expect(error).to.equal('EEXIST')
    })

    it('with O_EXCL costs two requests', async () => {
      const { fs, requests, calls } = here
      const file = await calls.create(ROOT, 'new', O_WRONLY | O_EXCL)
      await fs.write(file.node, file.handle, 0, Buffer.from('content'), caller)
      await fs.setattr(file.node, { mode: 0o600, mtime: 5n }, file.handle, caller)
      await fs.flush(file.node, file.handle, caller)
      await fs.release(file.node, file.handle, caller)
      expect(requests.made).to.deep.equal(['make new', `write ${file.attributes.ino}`])
      expect((await there.calls.lookup(ROOT, 'new')).attributes).to.deep.include({
        mode: 0o100600,
        mtime: { seconds: 0, nanoseconds: 5 },
      })
    })

    it('that is not yet sent is found, listed, renamed, linked and removed like any other', async () => {
      const { fs, calls } = here
      for (const name of ['a', 'b', 'c', 'd']) await calls.create(ROOT, name)
      expect((await calls.lookup(ROOT, 'a')).node).not.to.equal(0)
      expect(await calls.list(ROOT)).to.deep.equal(['a', 'b', 'c', 'd'])
      const e = await calls.create(ROOT, 'e')
      await fs.rename(ROOT, 'e', ROOT, 'f', 0, caller)
      await fs.link(e.node, ROOT, 'g', caller)
      await calls.create(ROOT, 'h')
      await fs.unlink(ROOT, 'h', caller)
      expect(await calls.list(ROOT)).to.deep.equal(['a', 'b', 'c', 'd', 'f', 'g'])
      expect(await there.calls.list(ROOT)).to.deep.equal(['a', 'b', 'c', 'd', 'f', 'g'])
    })

    it('keeps its directory from being removed before it is sent', async () => {
      const { fs, calls } = here
      const { node } = await fs.mkdir(ROOT, 'd', 0o755, caller)
      await calls.create(node, 'file')
      expect(await refused(fs.rmdir(ROOT, 'd', caller))).to.equal('ENOTEMPTY')
    })

    it('becomes the file that another machine made first', async () => {
      const file = await here.calls.create(ROOT, 'log', O_WRONLY | O_APPEND)
      await there.calls.store(ROOT, 'log', 'theirs\n')
      await here.fs.write(file.node, file.handle, 0, Buffer.from('ours\n'), caller)
      await here.fs.flush(file.node, file.handle, caller)
      await here.fs.release(file.node, file.handle, caller)
      earth.pass(2000)
      const { node } = await there.calls.lookup(ROOT, 'log')
      expect(await there.calls.text(node)).to.equal('theirs\nours\n')
      expect(here.invalidated).to.include('entry 1 log')
    })

    it('keeps the mode that was set of it when it becomes the file of another machine', async () => {
      const { node, handle } = await here.calls.create(ROOT, 'secret', O_WRONLY)
      await here.fs.setattr(node, { mode: 0o600 }, handle, caller)
      const theirs = await there.calls.create(ROOT, 'secret', O_WRONLY, 0o100640)
      await there.fs.release(theirs.node, theirs.handle, caller)
      await here.fs.flush(node, handle, caller)
      await here.fs.release(node, handle, caller)
      const { calls } = await earth.machine()
      expect((await calls.walk('secret')).attributes.mode).to.equal(0o100600)
    })

    it('keeps the number that programs saw when it becomes the file of another machine', async () => {
      const { fs, calls } = here
      const file = await calls.create(ROOT, 'db', O_RDWR)
      const { ino } = file.attributes
      const theirs = await there.calls.store(ROOT, 'db', 'theirs')
      await fs.fsync(file.node, file.handle, false, caller)
      expect(theirs.attributes.ino).not.to.equal(ino)
      expect((await calls.stat(file.node)).ino).to.equal(ino)
      expect((await calls.lookup(ROOT, 'db')).attributes.ino).to.equal(ino)
      const { handle } = await fs.opendir(ROOT, caller)
      const listed = await fs.readdir(ROOT, handle, 0, 4096, caller)
      expect(listed.find(({ name }) => name === 'db')?.ino).to.equal(ino)
      expect(await calls.text(file.node)).to.equal('theirs')
    })

    it('reports at close what the server refuses, and is then gone', async () => {
      const { fs, fault, calls } = here
      const file = await calls.create(ROOT, 'new')
      await fs.write(file.node, file.handle, 0, Buffer.from('content'), caller)
      fault.next = (operation) =>
        operation === 'put' ? new RemoteError('EDQUOT', 'full') : undefined
      expect(await refused(fs.flush(file.node, file.handle, caller))).to.equal('EDQUOT')
      await fs.release(file.node, file.handle, caller)
      delete fault.next
      expect(fs.pending()).to.deep.equal({ bytes: 0, files: 0 })
      expect((await calls.lookup(ROOT, 'new')).node).to.equal(0)
    })
  })

  describe('writing', () => {
    it('is given up at the last close as a whole, where the server refused a part of it', async () => {
      const { fs, calls, fault, invalidated } = here
      const { node } = await calls.store(ROOT, 'long', 'short')
      const { handle } = await fs.open(node, O_RDWR, caller)
      const held: (() => void)[] = []
      let writes = 0
      fault.before = (operation) => {
        if (operation !== 'write') return undefined
        writes += 1
        return new Promise((_, reject) => {
          const refuse = (): void => reject(new RemoteError('ENOSPC', 'full'))
          if (writes > 3) refuse()
          else held.push(refuse)
        })
      }
      for (const part of [0, 1, 2, 3]) {
        await fs.write(node, handle, part * PART, Buffer.alloc(PART, 'x'), caller)
      }
      const closing = refused(fs.flush(node, handle, caller))
      await until('three parts are on their way', async () => held.length === 3)
      held.shift()?.()
      expect(await closing).to.equal('ENOSPC')
      const released = fs.release(node, handle, caller)
      for (const refuse of held) {
        refuse()
        for (let turn = 0; turn < 9; turn++) await new Promise(setImmediate)
      }
      await released
      delete fault.before
      expect(fs.pending()).to.deep.equal({ bytes: 0, files: 0 })
      expect(invalidated).to.include(`inode ${node} 0`)
      expect((await calls.stat(node)).size).to.equal(5)
      expect(await calls.text(node)).to.equal('short')
    })

    it('is given up at the last close, also where a stat sends it once more meanwhile', async () => {
      const { fs, calls, fault, invalidated } = here
      const { node } = await calls.store(ROOT, 'log', 'short')
      const { handle } = await fs.open(node, O_WRONLY | O_APPEND, caller)
      fault.next = (operation) =>
        operation === 'write' ? new RemoteError('ENOSPC', 'full') : undefined
      await fs.write(node, handle, 5, Buffer.from('more'), caller)
      expect(await refused(fs.fsync(node, handle, false, caller))).to.equal('ENOSPC')
      expect(await refused(fs.flush(node, handle, caller))).to.equal('ENOSPC')
      const released = fs.release(node, handle, caller)
      await calls.stat(node)
      await released
      delete fault.next
      expect(fs.pending()).to.deep.equal({ bytes: 0, files: 0 })
      expect(invalidated).to.include(`inode ${node} 0`)
      expect((await calls.stat(node)).size).to.equal(5)
    })

    it('is read back before it is sent, through any handle', async () => {
      const { fs, calls, requests } = here
      const file = await calls.store(ROOT, 'f', 'abcdefgh')
      const a = await fs.open(file.node, O_RDWR, caller)
      const b = await fs.open(file.node, O_RDONLY, caller)
      requests.clear()
      await fs.write(file.node, a.handle, 2, Buffer.from('XY'), caller)
      expect(String(await fs.read(file.node, b.handle, 0, 100, caller))).to.equal('abXYefgh')
      expect(requests.count('write')).to.equal(0)
    })

    for (const how of ['anew', 'over another', 'with O_EXCL'] as const) {
      it(`a small file ${how} lets it be read again without asking, until others change it`, async () => {
        const { calls, requests } = here
        if (how === 'over another') await calls.store(ROOT, 'f', 'before')
        const flags = O_WRONLY | (how === 'with O_EXCL' ? O_EXCL : O_TRUNC)
        const { node } = await calls.store(ROOT, 'f', 'ours', flags)
        requests.clear()
        expect(await calls.text(node)).to.equal('ours')
        expect(requests.count('read')).to.equal(0)
        await there.calls.store(ROOT, 'f', 'hers')
        earth.pass(1001)
        await calls.lookup(ROOT, 'f')
        expect(await calls.text(node)).to.equal('hers')
      })
    }

    it('a part of a small file does not make the rest known', async () => {
      const { fs, calls } = here
      await there.calls.store(ROOT, 'f', 'abcdefgh')
      const { node } = await calls.lookup(ROOT, 'f')
      const { handle } = await fs.open(node, O_RDWR, caller)
      await fs.write(node, handle, 0, Buffer.from('XY'), caller)
      await fs.release(node, handle, caller)
      expect(await calls.text(node)).to.equal('XYcdefgh')
    })

    it('costs nothing where the kernel asks for its size by a handle, as before a read at the end', async () => {
      const { fs, requests, calls } = here
      await calls.store(ROOT, 'first', 'takes numbers')
      const { node, handle } = await calls.create(ROOT, 'new', O_RDWR)
      await fs.write(node, handle, 0, Buffer.from('content'), caller)
      requests.clear()
      const { size, validMilliseconds } = await fs.getattr(node, handle, caller)
      expect({ size, validMilliseconds }).to.deep.equal({ size: 7, validMilliseconds: 0 })
      expect(requests.made).to.deep.equal([])
      expect((await fs.getattr(node, undefined, caller)).validMilliseconds).to.be.above(0)
      expect(requests.made).to.deep.equal(['put new'])
    })

    it('leaves zeros where nothing was written', async () => {
      const { fs, calls } = here
      const file = await calls.create(ROOT, 'sparse', O_RDWR)
      await fs.write(file.node, file.handle, 300_000, Buffer.from('end'), caller)
      const before = await fs.read(file.node, file.handle, 299_998, 10, caller)
      expect(before).to.deep.equal(Buffer.from('\0\0end'))
      await fs.flush(file.node, file.handle, caller)
      expect(await fs.read(file.node, file.handle, 299_998, 10, caller)).to.deep.equal(before)
      expect((await there.calls.lookup(ROOT, 'sparse')).attributes.size).to.equal(300_003)
    })

    it('over an existing file with O_TRUNC costs one request', async () => {
      const { calls, requests } = here
      const { node } = await calls.store(ROOT, 'f', 'a long old content')
      requests.clear()
      await calls.store(ROOT, 'f', 'new')
      expect(requests.made).to.have.lengthOf(1)
      expect(await there.calls.text((await there.calls.lookup(ROOT, 'f')).node)).to.equal('new')
      expect(await calls.text(node)).to.equal('new')
    })

    it('of a long file is sent in parts while it goes on, in bounded memory', async () => {
      const { fs, calls, requests } = here
      const file = await calls.create(ROOT, 'long')
      const megabyte = Buffer.alloc(1 << 20, 'x')
      let most = 0
      for (let at = 0; at < 64; at++) {
        await fs.write(file.node, file.handle, at << 20, megabyte, caller)
        most = Math.max(most, fs.pending().bytes)
      }
      await fs.flush(file.node, file.handle, caller)
      expect(most).to.be.at.most(26 << 20)
      expect(requests.count('write')).to.be.within(8, 24)
      expect((await there.calls.lookup(ROOT, 'long')).attributes.size).to.equal(64 << 20)
      expect(fs.pending()).to.deep.equal({ bytes: 0, files: 0 })
    })

    it('at the end (O_APPEND) of one file by two machines loses nothing', async () => {
      await here.calls.store(ROOT, 'log', 'start\n')
      const ours = await here.calls.lookup(ROOT, 'log')
      const theirs = await there.calls.lookup(ROOT, 'log')
      const a = await here.fs.open(ours.node, O_WRONLY | O_APPEND, caller)
      const b = await there.fs.open(theirs.node, O_WRONLY | O_APPEND, caller)
      for (let line = 0; line < 3; line++) {
        await here.fs.write(ours.node, a.handle, 6, Buffer.from(`here ${line}\n`), caller)
        await there.fs.write(theirs.node, b.handle, 6, Buffer.from(`there ${line}\n`), caller)
        await here.fs.flush(ours.node, a.handle, caller)
        await there.fs.flush(theirs.node, b.handle, caller)
      }
      earth.pass(2000)
      const lines = (await here.calls.text(ours.node)).split('\n').sort()
      expect(lines).to.deep.equal(
        ['', 'start', ...[0, 1, 2].flatMap((n) => [`here ${n}`, `there ${n}`])].sort(),
      )
    })

    it('that fails is told at close, kept, and sent by the next close', async () => {
      const { fs, fault, calls } = here
      const file = await calls.store(ROOT, 'f', 'old')
      const { handle } = await fs.open(file.node, O_WRONLY, caller)
      await fs.write(file.node, handle, 0, Buffer.from('new'), caller)
      fault.next = () => new RemoteError('EIO', 'no answer')
      expect(await refused(fs.flush(file.node, handle, caller))).to.equal('EIO')
      expect(fs.pending().files).to.equal(1)
      delete fault.next
      await fs.flush(file.node, handle, caller)
      expect(await there.calls.text((await there.calls.lookup(ROOT, 'f')).node)).to.equal('new')
    })

    it('that cannot be sent is told once, however often it is tried', async () => {
      const told: string[] = []
      const { fs, fault, calls } = await earth.machine({ log: (message) => told.push(message) })
      const file = await calls.create(ROOT, 'kept')
      await fs.write(file.node, file.handle, 0, Buffer.from('content'), caller)
      let tries = 0
      fault.next = () => {
        tries += 1
        return new RemoteError('EACCES', `logged out, said for the ${tries}. time`)
      }
      await refused(fs.flush(file.node, file.handle, caller))
      await fs.release(file.node, file.handle, caller)
      const before = tries
      await until('it was tried three times more', async () => {
        earth.pass(10_000)
        return tries >= before + 3
      })
      expect(told).to.have.length(1)
      delete fault.next
      await until('it has arrived', async () => {
        earth.pass(10_000)
        return fs.pending().files === 0
      })
      expect(await there.calls.text((await there.calls.lookup(ROOT, 'kept')).node)).to.equal(
        'content',
      )
    })

    it('that the network refused at the last close is sent once the network is back', async () => {
      const { fs, fault, calls } = here
      const file = await calls.store(ROOT, 'f', 'old')
      const { handle } = await fs.open(file.node, O_WRONLY, caller)
      await fs.write(file.node, handle, 0, Buffer.from('new'), caller)
      fault.next = () => new RemoteError('EIO', 'no answer')
      await fs.release(file.node, handle, caller)
      expect(fs.pending().files).to.equal(1)
      delete fault.next
      await fs.drain()
      expect(fs.pending().files).to.equal(0)
      expect(await there.calls.text((await there.calls.lookup(ROOT, 'f')).node)).to.equal('new')
    })

    it('fsync(2) asks for the power-safe form', async () => {
      const { fs, calls, requests } = here
      const file = await calls.create(ROOT, 'f')
      await fs.write(file.node, file.handle, 0, Buffer.from('x'), caller)
      requests.clear()
      await fs.fsync(file.node, file.handle, false, caller)
      expect(requests.made).to.deep.equal(['put f durably'])
    })

    it('fsync(2) is one request, too, where nothing was written', async () => {
      const { fs, calls, requests } = here
      const { node, attributes } = await calls.store(ROOT, 'f', 'x')
      const { handle } = await fs.open(node, O_RDWR, caller)
      for (const changes of [{ size: 0 }, { mode: 0o600 }]) {
        await fs.setattr(node, changes, handle, caller)
        requests.clear()
        await fs.fsync(node, handle, false, caller)
        expect(requests.made).to.deep.equal([`setAttributes ${attributes.ino} durably`])
      }
      requests.clear()
      await fs.fsync(node, handle, false, caller)
      expect(requests.made).to.deep.equal([`sync ${attributes.ino}`])
    })

    it('fsync(2) of a directory asks only for what no answer has made durable since', async () => {
      const { fs, requests, calls, news } = await earth.machine({}, 'as the test says')
      const syncs = async (): Promise<number> => {
        requests.clear()
        await fs.fsyncdir?.(ROOT, 0, caller)
        return requests.made.filter((request) => request.startsWith('sync')).length
      }
      const journal = await calls.create(ROOT, 'journal', O_RDWR)
      await fs.write(journal.node, journal.handle, 0, Buffer.from('x'), caller)
      await fs.fsync(journal.node, journal.handle, false, caller)
      expect(await syncs(), 'others are not heard of').to.equal(1)
      news.say({ kind: 'connected' })
      await until('it is heard', async () => (await syncs()) === 0)
      await fs.mkdir(ROOT, 'd', 0o755, caller)
      expect(await syncs(), 'after a mkdir').to.equal(1)
      expect(await syncs(), 'a second time').to.equal(0)
      await fs.unlink(ROOT, 'journal', caller)
      expect(await syncs(), 'after an unlink').to.equal(1)
      const file = await calls.store(ROOT, 'f', 'x')
      expect(await syncs(), 'after a close').to.equal(1)
      await fs.mkdir(ROOT, 'e', 0o755, caller)
      const { handle } = await fs.open(file.node, O_RDWR | O_TRUNC, caller)
      await fs.fsync(file.node, handle, false, caller)
      expect(await syncs(), 'after a file was cut and synced').to.equal(0)
      news.say({ kind: 'reset' })
      await until('it is heard', async () => (await syncs()) === 1)
      news.say({ kind: 'lost' })
      await until('it is heard', async () => (await syncs()) + (await syncs()) === 2)
    })

    it('after a truncation shows zeros where the old content was', async () => {
      const { fs, calls } = here
      const file = await calls.store(ROOT, 'f', 'abcdefgh')
      const { handle } = await fs.open(file.node, O_RDWR | O_TRUNC, caller)
      await fs.write(file.node, handle, 4, Buffer.from('x'), caller)
      expect(await fs.read(file.node, handle, 0, 10, caller)).to.deep.equal(
        Buffer.from('\0\0\0\0x'),
      )
      await fs.flush(file.node, handle, caller)
      expect(await fs.read(file.node, handle, 0, 10, caller)).to.deep.equal(
        Buffer.from('\0\0\0\0x'),
      )
    })

    it('takes set-user-ID away when the kernel asks for it', async () => {
      const { fs, calls } = here
      const file = await calls.store(ROOT, 'f', 'x')
      await fs.setattr(file.node, { mode: 0o4755 }, undefined, caller)
      const { handle } = await fs.open(file.node, O_WRONLY, caller)
      const context = { ...caller, killPrivileges: true }
      await fs.write(file.node, handle, 0, Buffer.from('y'), context)
      await fs.flush(file.node, handle, caller)
      expect((await calls.stat(file.node)).mode).to.equal(0o100755)
    })
  })

  describe('an open file', () => {
    it('stays usable when its name is removed, and is released with its last handle', async () => {
      const { fs, calls, requests } = here
      const file = await calls.store(ROOT, 'f', 'content')
      const { handle } = await fs.open(file.node, O_RDWR, caller)
      await fs.unlink(ROOT, 'f', caller)
      expect(await there.calls.list(ROOT)).to.deep.equal([])
      await fs.write(file.node, handle, 0, Buffer.from('C'), caller)
      expect(String(await fs.read(file.node, handle, 0, 10, caller))).to.equal('Content')
      expect(await calls.stat(file.node)).to.include({ nlink: 0, size: 7 })
      await fs.release(file.node, handle, caller)
      expect(requests.made.at(-1)).to.equal(`release ${file.attributes.ino}`)
    })

    it('stays usable when another file is renamed over it', async () => {
      const { fs, calls } = here
      const old = await calls.store(ROOT, 'f', 'old')
      await calls.store(ROOT, 'g', 'new')
      const { handle } = await fs.open(old.node, O_RDONLY, caller)
      await fs.rename(ROOT, 'g', ROOT, 'f', 0, caller)
      expect(String(await fs.read(old.node, handle, 0, 10, caller))).to.equal('old')
      await fs.release(old.node, handle, caller)
      expect(await calls.text((await calls.lookup(ROOT, 'f')).node)).to.equal('new')
    })

    it('with another hard link is not released when one name is removed', async () => {
      const { fs, calls, requests } = here
      const file = await calls.store(ROOT, 'f', 'content')
      await fs.link(file.node, ROOT, 'g', caller)
      const { handle } = await fs.open(file.node, O_RDONLY, caller)
      await fs.unlink(ROOT, 'f', caller)
      await fs.release(file.node, handle, caller)
      expect(requests.count('release')).to.equal(0)
      expect(await calls.text((await calls.lookup(ROOT, 'g')).node)).to.equal('content')
    })
  })

  describe('an open directory', () => {
    it('keeps its xattrs when it is removed, and is released with its last handle', async () => {
      const { fs, requests } = here
      const { node, attributes } = await fs.mkdir(ROOT, 'd', 0o755, caller)
      await fs.setxattr(node, 'user.kind', Buffer.from('folder'), 0, caller)
      const handles = [await fs.opendir(node, caller), await fs.opendir(node, caller)]
      await fs.rmdir(ROOT, 'd', caller)
      for (const { handle } of handles) {
        expect(String(await fs.getxattr(node, 'user.kind', caller))).to.equal('folder')
        await fs.releasedir(node, handle, caller)
      }
      expect(requests.made.at(-1)).to.equal(`release ${attributes.ino}`)
      expect(await refused(fs.getxattr(node, 'user.kind', caller))).to.equal('ESTALE')
    })

    it('is released, too, when it is closed while it is removed', async () => {
      const { fs, requests, fault } = here
      const { node, attributes } = await fs.mkdir(ROOT, 'd', 0o755, caller)
      const { handle } = await fs.opendir(node, caller)
      fault.answer = async (operation) => {
        if (operation === 'remove') await fs.releasedir(node, handle, caller)
      }
      await fs.rmdir(ROOT, 'd', caller)
      expect(requests.made.at(-1)).to.equal(`release ${attributes.ino}`)
    })
  })

  describe('reading', () => {
    it('of one small file after another has the next ones fetched before they are asked for', async () => {
      for (let n = 10; n < 50; n++) await there.calls.store(ROOT, `f${n}`, `content ${n}`)
      const { calls, requests } = here
      const names = await calls.list(ROOT)
      const nodes = await Promise.all(names.map((name) => calls.lookup(ROOT, name)))
      let waited = 0
      for (const [index, { node }] of nodes.entries()) {
        requests.clear()
        expect(await calls.text(node)).to.equal(`content ${index + 10}`)
        if (requests.made.includes(`read ${node}`)) waited += 1
      }
      expect(waited).to.be.at.most(2)
    })

    const reading = ['read', 'readAll', 'stat', 'lookup', 'list']
    const orders: [string, (names: string[]) => string[]][] = [
      ['in the order of the listing', (names) => names],
      ['in another order', (names) => names.toSorted((a, b) => a.length - b.length)],
    ]
    for (const [order, sorted] of orders) {
      it(`of small files ${order} costs one request for 20 of them at most`, async () => {
        for (let n = 0; n < 200; n++) await there.calls.store(ROOT, `f${n}`, `content ${n}`)
        const { calls, requests } = here
        requests.clear()
        for (const name of sorted(await calls.list(ROOT))) {
          const { node } = await calls.lookup(ROOT, name)
          expect(await calls.text(node)).to.equal(`content ${name.slice(1)}`)
        }
        const asked = reading.reduce((sum, operation) => sum + requests.count(operation), 0)
        expect(asked).to.be.at.most(200 / 20)
      })
    }

    it('of small files in many directories costs one request for 20 files at most, beside the listings', async () => {
      for (let d = 0; d < 240; d++) {
        const { node } = await there.fs.mkdir(ROOT, `d${d}`, 0o755, caller)
        for (let n = 0; n < 3; n++) await there.calls.store(node, `f${n}`, `${d} ${n}`)
      }
      const { calls, requests } = here
      requests.clear()
      for (const directory of await calls.list(ROOT)) {
        const { node } = await calls.lookup(ROOT, directory)
        for (const name of await calls.list(node)) {
          const file = await calls.lookup(node, name)
          expect(await calls.text(file.node)).to.equal(`${directory.slice(1)} ${name.slice(1)}`)
        }
      }
      expect(requests.count('list')).to.equal(241)
      expect(requests.count('read') + requests.count('readAll')).to.be.at.most((240 * 3) / 20)
    })

    it('of one long directory after another looks ahead into each once at most', async () => {
      const directories = 8
      for (let d = 0; d < directories; d++) {
        const { node } = await there.fs.mkdir(ROOT, `d${d}`, 0o755, caller)
        for (let n = 0; n <= LISTED_AT_ONCE; n++) {
          await there.fs.mknod(node, `f${n}`, 0o100644, 0, caller)
        }
      }
      const { calls, requests } = here
      requests.clear()
      for (const directory of await calls.list(ROOT)) {
        await calls.list((await calls.lookup(ROOT, directory)).node)
      }
      expect(requests.count('list')).to.be.at.most(1 + directories * (2 + 2))
    }).timeout(60_000)

    it('never gives what was fetched ahead once somebody else has changed it', async () => {
      for (let n = 10; n < 20; n++) await there.calls.store(ROOT, `f${n}`, 'old')
      const { calls } = here
      await calls.list(ROOT)
      for (const name of ['f10', 'f11', 'f12']) {
        await calls.text((await calls.lookup(ROOT, name)).node)
      }
      await there.calls.store(ROOT, 'f14', 'newer')
      earth.pass(1001)
      expect(await calls.text((await calls.lookup(ROOT, 'f14')).node)).to.equal('newer')
    })

    /** Made there, opened here. */
    async function longFile() {
      const { fs, calls } = there
      const file = await calls.create(ROOT, 'long')
      await fs.write(file.node, file.handle, 0, Buffer.alloc(16 << 20, 'x'), caller)
      await fs.release(file.node, file.handle, caller)
      const { node } = await here.calls.lookup(ROOT, 'long')
      return { node, ...(await here.fs.open(node, O_RDONLY, caller)) }
    }

    it('of a long file in order fetches ahead in growing pieces, several at a time', async () => {
      const { node, handle } = await longFile()
      here.requests.clear()
      for (let at = 0; at < 16 << 20; at += 128 << 10) {
        const data = await here.fs.read(node, handle, at, 128 << 10, caller)
        expect(data.length).to.equal(128 << 10)
      }
      expect(here.requests.count('read')).to.be.at.most(24)
      await here.fs.release(node, handle, caller)
    })

    it('that begins with a long piece fetches the next ones with it', async () => {
      const { node, handle } = await longFile()
      await here.fs.read(node, handle, 0, 1 << 20, caller)
      await here.fs.read(node, handle, 1 << 20, 1 << 20, caller)
      here.requests.clear()
      // twice as much as was read is here or on its way
      for (let at = 2 << 20; at < 6 << 20; at += 1 << 20)
        await here.fs.read(node, handle, at, 1 << 20, caller)
      expect(here.requests.count('read')).to.be.at.most(8)
      await here.fs.release(node, handle, caller)
    })

    it('of a long file here and there fetches nothing but what is asked for', async () => {
      const { node, handle } = await longFile()
      here.requests.clear()
      for (const at of [9, 3, 12, 6, 1, 14])
        await here.fs.read(node, handle, at << 20, 4096, caller)
      expect(here.requests.count('read')).to.equal(6)
      await here.fs.release(node, handle, caller)
    })
  })

  describe('memory of what is unsent', () => {
    it('has a bound for the whole mount: writers wait while others have too much', async () => {
      const machine = await earth.machine({ writeBytes: 1 << 20 })
      const { fs, calls, fault, requests } = machine
      const old = await calls.store(ROOT, 'old', 'something')
      const long = await fs.open(old.node, O_WRONLY, caller)
      let goOn = (): void => {}
      const held = new Promise<void>((resolve) => {
        goOn = resolve
      })
      fault.before = (operation) => (operation === 'write' ? held : undefined)
      const tooMuch = fs.write(old.node, long.handle, 0, Buffer.alloc(3 << 20), caller)
      await until('it is on its way', async () => requests.count('write') > 0)
      const other = await calls.create(ROOT, 'other')
      let isTaken = false
      const waiting = Promise.resolve(
        fs.write(other.node, other.handle, 0, Buffer.alloc(1000), caller),
      ).then(() => {
        isTaken = true
      })
      await until('what is its own is sent', async () => requests.made.includes('put other'))
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
      const wasTaken = isTaken
      goOn()
      await Promise.all([tooMuch, waiting])
      expect(wasTaken).to.equal(false)
    })
  })

  describe('what is known', () => {
    it('costs one request per directory in a stat walk', async () => {
      const { fs, calls } = there
      const { node } = await fs.mkdir(ROOT, 'd', 0o755, caller)
      for (let n = 0; n < 50; n++) await calls.store(node, `f${n}`, '')
      const { requests } = here
      const d = (await here.calls.lookup(ROOT, 'd')).node
      requests.clear()
      for (const name of await here.calls.list(d)) {
        expect((await here.calls.lookup(d, name)).node).not.to.equal(0)
      }
      expect((await here.calls.lookup(d, 'absent')).node).to.equal(0)
      expect(requests.made).to.have.lengthOf(1)
    })

    it('of a tree is listed ahead of a walk, each directory once', async () => {
      const { fs } = there
      const make = async (parent: number, name: string) =>
        (await fs.mkdir(parent, name, 0o755, caller)).node
      const top = await make(ROOT, 'top')
      for (const name of ['a', 'b', 'c']) {
        const below = await make(top, name)
        for (const leaf of ['x', 'y', 'z']) await make(below, leaf)
      }
      const { calls, requests } = here
      let waited = 0
      const walk = async (node: number): Promise<void> => {
        requests.clear()
        const names = await calls.list(node)
        if (requests.made.includes(`list ${node}`)) waited += 1
        total += requests.count('list')
        for (const name of names) await walk((await calls.lookup(node, name)).node)
      }
      let total = 0
      await walk((await calls.lookup(ROOT, 'top')).node)
      expect(waited).to.be.at.most(4)
      expect(total).to.be.at.most(13)
    })

    it('is fetched by listing once several names of a directory are asked for', async () => {
      for (let n = 0; n < 20; n++) await there.calls.store(ROOT, `f${n}`, '')
      here.requests.clear()
      for (let n = 0; n < 20; n++) await here.calls.lookup(ROOT, `f${n}`)
      expect(here.requests.made).to.have.lengthOf(3)
    })

    it('is fetched so, too, of a directory of several pages: what is not in it is known', async () => {
      const { calls, requests } = here
      for (let n = 0; n <= 3 * LISTED_AT_ONCE; n++) {
        await there.fs.mknod(ROOT, `f${n}`, 0o644, 0, caller)
      }
      requests.clear()
      for (let n = 0; n < 20; n++) await calls.lookup(ROOT, `absent${n}`)
      expect(requests.count('list')).to.equal(4)
      expect(requests.count('lookup')).to.equal(2)
    })

    it('is listed ahead of who asks for names in one directory after another', async () => {
      for (let d = 0; d < 20; d++) {
        const { node } = await there.fs.mkdir(ROOT, `d${d}`, 0o755, caller)
        for (let n = 0; n < 5; n++) await there.calls.store(node, `f${n}`, '')
      }
      here.requests.clear()
      for (let d = 0; d < 20; d++) for (let n = 0; n < 5; n++) await here.calls.walk(`d${d}/f${n}`)
      expect(here.requests.count('list')).to.equal(21)
      expect(here.requests.count('lookup')).to.be.at.most(9)
    })

    it('is asked again after the timeout, so that others’ changes are seen', async () => {
      const file = await here.calls.store(ROOT, 'f', 'one')
      expect(await here.calls.text(file.node)).to.equal('one')
      await there.calls.store(ROOT, 'f', 'three')
      await there.fs.rename(ROOT, 'f', ROOT, 'g', 0, caller)
      earth.pass(1001)
      expect((await here.calls.lookup(ROOT, 'f')).node).to.equal(0)
      expect((await here.calls.stat(file.node)).size).to.equal(5)
      expect(await here.calls.text(file.node)).to.equal('three')
    })

    it('is updated at once by own changes', async () => {
      const { fs, calls, requests } = here
      const { node } = await fs.mkdir(ROOT, 'd', 0o755, caller)
      await calls.store(node, 'a', '')
      await fs.rename(node, 'a', node, 'b', 0, caller)
      requests.clear()
      expect((await calls.lookup(node, 'a')).node).to.equal(0)
      expect(await calls.list(node)).to.deep.equal(['b'])
      expect(requests.count('list') + requests.count('lookup')).to.equal(0)
    })

    it('knows what an exchange put where, also when it did not know what it exchanged', async () => {
      const { fs, calls } = here
      const a = await calls.store(ROOT, 'a', 'one')
      const b = await calls.store(ROOT, 'b', 'two')
      here.fault.next = (operation) =>
        operation === 'make' ? new RemoteError('EDQUOT', 'the quota is used up') : undefined
      expect(await refused(fs.mkdir(ROOT, 'c', 0o755, caller))).to.equal('EDQUOT')
      delete here.fault.next
      await fs.rename(ROOT, 'a', ROOT, 'b', RENAME_EXCHANGE, caller)
      expect((await calls.lookup(ROOT, 'a')).node).to.equal(b.node)
      expect((await calls.lookup(ROOT, 'b')).node).to.equal(a.node)
    })

    it('has the directory’s times too, without asking, after own changes in it', async () => {
      const { fs, calls, requests } = here
      const { node } = await fs.mkdir(ROOT, 'd', 0o755, caller)
      await calls.stat(node)
      await calls.store(node, 'a', 'x')
      await fs.mkdir(node, 'b', 0o755, caller)
      await fs.mkdir(node, 'c', 0o755, caller)
      await fs.rmdir(node, 'c', caller)
      await fs.rename(node, 'a', node, 'd', 0, caller)
      await fs.unlink(node, 'd', caller)
      requests.clear()
      const { mtime, nlink } = await calls.stat(node)
      expect(requests.made).to.deep.equal([])
      const d = await there.calls.lookup(ROOT, 'd')
      expect({ mtime, nlink }).to.deep.equal({
        mtime: d.attributes.mtime,
        nlink: d.attributes.nlink,
      })
    })

    it('keeps the kernel’s pages over opens until somebody else writes', async () => {
      const { fs, calls } = here
      const file = await calls.store(ROOT, 'f', 'one')
      const open = async () => {
        const { handle, keepCache } = await fs.open(file.node, O_RDONLY, caller)
        await fs.release(file.node, handle, caller)
        return keepCache
      }
      expect(await open()).to.equal(true)
      await calls.store(ROOT, 'f', 'two')
      expect(await open()).to.equal(true)
      await there.calls.store(ROOT, 'f', 'six')
      earth.pass(1001)
      expect(await open()).to.equal(false)
      expect(await open()).to.equal(true)
    })

    it('tells the kernel to drop pages when a write meets somebody else’s', async () => {
      const { fs, calls, invalidated } = here
      const file = await calls.store(ROOT, 'f', 'one')
      const { handle } = await fs.open(file.node, O_WRONLY, caller)
      await there.calls.store(ROOT, 'f', 'two')
      await fs.write(file.node, handle, 0, Buffer.from('1'), caller)
      await fs.flush(file.node, handle, caller)
      expect(invalidated).to.include(`inode ${file.node} 0`)
    })

    it('is forgotten with the kernel', async () => {
      const { fs, calls } = here
      const { node } = await calls.store(ROOT, 'f', 'x')
      fs.forget(node, 2)
      earth.pass(1001)
      expect((await calls.lookup(ROOT, 'f')).node).to.equal(node)
    })
  })

  describe('owners', () => {
    it('are this machine’s user wherever the server has none', async () => {
      const mine = await earth.machine({ owner: { uid: 1000, gid: 1000 } })
      const theirs = await earth.machine({ owner: { uid: 501, gid: 20 } })
      await mine.calls.store(ROOT, 'f', '')
      expect((await mine.calls.lookup(ROOT, 'f')).attributes).to.include({ uid: 1000, gid: 1000 })
      expect((await theirs.calls.lookup(ROOT, 'f')).attributes).to.include({ uid: 501, gid: 20 })
    })

    it('are kept as they are where nobody is mapped', async () => {
      const { fs, calls } = here
      const { node } = await calls.store(ROOT, 'f', '')
      await fs.setattr(node, { uid: 33, gid: 44 }, undefined, caller)
      expect((await there.calls.lookup(ROOT, 'f')).attributes).to.include({ uid: 33, gid: 44 })
    })
  })

  describe('an inode that is gone', () => {
    it('is stale, so that the kernel looks its name up again', async () => {
      const { node } = await here.calls.store(ROOT, 'f', 'x')
      await there.calls.lookup(ROOT, 'f')
      await there.fs.unlink(ROOT, 'f', caller)
      earth.pass(1001)
      expect(await refused(here.calls.stat(node))).to.equal('ESTALE')
    })
  })

  it('refuses extended attributes that mean something to one machine only', async () => {
    const { node } = await here.calls.store(ROOT, 'f', '')
    await here.fs.setxattr(node, 'user.a', Buffer.from('1'), 0, caller)
    expect(String(await there.files.getXattr(node, 'user.a'))).to.equal('1')
    const acl = here.fs.setxattr(node, 'system.posix_acl_access', Buffer.from('1'), 0, caller)
    expect(await refused(acl)).to.equal('ENOTSUP')
    expect(here.fs.getxattr(node, 'security.capability', caller)).to.equal(undefined)
  })

  it('shows no root that is no directory: the kernel would give it up for good', async () => {
    let type: 'file' | 'directory' = 'directory'
    const lying = await earth.machine({}, 'not told', {
      stat: async (ino) => ({ ...(await here.files.stat(ino)), type }),
    })
    type = 'file'
    earth.pass(2_000)
    expect(await refused(lying.fs.getattr(ROOT, undefined, caller))).to.equal('EIO')
    type = 'directory'
    expect(await lying.fs.getattr(ROOT, undefined, caller)).to.have.property('mode')
  })
})
