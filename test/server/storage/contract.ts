import { EventEmitter, once } from 'node:events'
import { expect } from 'chai'
import { FileError, PreconditionFailed } from '../../../server/errors.js'
import { type FileName, fileName, storagePath } from '../../../server/storage/path.js'
import {
  type AttributeChanges,
  append,
  type Ino,
  type Inode,
  overwrite,
  type Place,
  type Storage,
  type Tree,
  type WritePart,
} from '../../../server/storage/storage.js'

/** A storage to test, made new for each test; `date` is its stopped clock. */
export interface Subject {
  readonly storage: Storage
  readonly clock: { date: Date }
  close(): Promise<void>
}

const NEW = { mode: 0o644, uid: 1000, gid: 1000 }
const NOBODY = {}
const UNLINK = { kind: 'unlink', keep: false, precondition: overwrite } as const
const RMDIR = { kind: 'rmdir', keep: false, precondition: overwrite } as const
const KEEP = { kind: 'unlink', keep: true, precondition: overwrite } as const
const REPLACE = {
  mode: 'replace',
  keep: false,
  source: overwrite,
  precondition: overwrite,
} as const

/** The contract of `Storage`: every implementation passes it. */
export function contract(name: string, open: () => Promise<Subject>): void {
  describe(`${name}: the contract of Storage`, () => {
    let subject: Subject
    let storage: Storage
    let tree: Tree

    beforeEach(async () => {
      subject = await open()
      storage = subject.storage
      tree = await storage.tree('ann')
    })
    afterEach(() => subject.close())

    const at = (text: string, directory = tree.root): Place => ({
      directory,
      name: fileName(text),
    })
    const directory = (text: string, parent = tree.root) =>
      tree.make(at(text, parent), { type: 'directory' }, { ...NEW, mode: 0o755 }, NOBODY)
    const file = (text: string, content = '', parent = tree.root) =>
      put(tree, at(text, parent), content)
    const names = async (ino = tree.root) =>
      (await tree.list(ino, { limit: 10_000 })).map(({ name }) => String(name))
    const missing = (text: string) => refused('ENOENT', tree.lookup(tree.root, fileName(text)))

    describe('tree', () => {
      it('makes a root directory at first use, the same afterwards', async () => {
        const root = await tree.stat(tree.root)
        expect(root).to.include({ type: 'directory', nlink: 2 })
        expect((await storage.tree('ann')).root).to.equal(tree.root)
      })

      it('keeps users apart: a foreign inode number is ENOENT in every operation', async () => {
        const mine = await file('mine', 'secret')
        const folder = await directory('folder')
        const eve = await storage.tree('eve')
        const spot = { directory: eve.root, name: fileName('x') }
        const inside = { directory: folder.ino, name: fileName('x') }
        const attempts: [string, () => Promise<unknown>][] = [
          ['stat', () => eve.stat(mine.ino)],
          ['walk', () => eve.walk(folder.ino, [])],
          ['lookup', () => eve.lookup(folder.ino, fileName('x'))],
          ['list', () => eve.list(folder.ino, { limit: 1 })],
          ['parent', () => eve.parent(folder.ino)],
          ['open', () => eve.open(mine.ino)],
          [
            'write',
            () => eve.write(mine.ino, [{ offset: 0, data: bytes('x') }], overwrite, NOBODY),
          ],
          ['setAttributes', () => eve.setAttributes(mine.ino, { mode: 0 }, overwrite, NOBODY)],
          ['truncate', () => eve.setAttributes(mine.ino, { size: 0 }, overwrite, NOBODY)],
          ['link', () => eve.link(mine.ino, { ...spot, name: fileName('y') }, NOBODY)],
          ['make', () => eve.make(inside, { type: 'file' }, NEW, NOBODY)],
          ['upload', () => put(eve, inside, 'x')],
          ['upload by number', () => put(eve, mine.ino, 'x')],
          ['remove', () => eve.remove(inside, UNLINK, NOBODY)],
          ['rename', () => eve.rename(inside, spot, REPLACE, NOBODY)],
          [
            'copy',
            () =>
              eve.copy(
                mine.ino,
                { ...spot, name: fileName('z') },
                { deep: true, source: overwrite, precondition: overwrite },
                NOBODY,
              ),
          ],
          ['release', () => eve.release(mine.ino, overwrite)],
          ['getXattr', () => eve.getXattr(mine.ino, 'user.a')],
          ['listXattrs', () => eve.listXattrs(mine.ino)],
          [
            'setXattr',
            () => eve.setXattr(mine.ino, 'user.a', bytes(''), 'either', overwrite, NOBODY),
          ],
          ['removeXattr', () => eve.removeXattr(mine.ino, 'user.a', overwrite, NOBODY)],
        ]
        const own = await put(eve, spot, 'own')
        const how = { deep: true, source: overwrite, precondition: overwrite }
        attempts.push(
          ['rename into', () => eve.rename(spot, inside, REPLACE, NOBODY)],
          [
            'rename over',
            () => eve.rename(spot, { ...spot, directory: tree.root }, REPLACE, NOBODY),
          ],
          ['link into', () => eve.link(own.ino, inside, NOBODY)],
          ['copy into', () => eve.copy(own.ino, inside, how, NOBODY)],
          ['parent of a root', () => eve.parent(tree.root)],
        )
        for (const [what, attempt] of attempts) await refused('ENOENT', attempt(), what)
        await tree.remove(at('mine'), UNLINK, NOBODY)
        await refused('ENOENT', eve.stat(mine.ino), 'stat of a foreign inode that is gone')
        expect(await read(tree, (await directory('still')).ino).catch(code)).to.equal('EISDIR')
      })

      it('walks names, and refuses to walk through a file', async () => {
        const a = await directory('a')
        const b = await file('b', 'x', a.ino)
        expect((await tree.walk(tree.root, [fileName('a'), fileName('b')])).ino).to.equal(b.ino)
        expect((await tree.walk(a.ino, [])).ino).to.equal(a.ino)
        await refused('ENOTDIR', tree.walk(b.ino, [fileName('c')]))
        await refused('ENOENT', tree.walk(tree.root, [fileName('a'), fileName('no')]))
        await refused('ENOTDIR', tree.lookup(b.ino, fileName('c')))
        expect(await tree.parent(a.ino)).to.equal(tree.root)
      })

      it('lists in the order of bytes, in pages', async () => {
        const all = ['a', 'B', '\u{1f600}', '\uff5e', 'é', 'a b', 'z'.repeat(255)]
        for (const one of all) await file(one)
        const sorted = all
          .map((one) => Buffer.from(one))
          .sort(Buffer.compare)
          .map(String)
        expect(await names()).to.deep.equal(sorted)
        const paged: string[] = []
        for (let after: FileName | undefined; ; ) {
          const page = await tree.list(tree.root, after ? { after, limit: 2 } : { limit: 2 })
          paged.push(...page.map((entry) => String(entry.name)))
          after = page.at(-1)?.name
          if (after === undefined) break
        }
        expect(paged).to.deep.equal(sorted)
        await refused('EINVAL', tree.list(tree.root, { limit: 0 }))
        await refused('EINVAL', tree.list(tree.root, { limit: 10_001 }))
      })
    })

    describe('make (mkdir(2), mknod(2), symlink(2))', () => {
      const made: [string, Parameters<Tree['make']>[1], Partial<Inode>][] = [
        ['file', { type: 'file' }, { mode: 0o644, size: 0, nlink: 1, rdev: 0 }],
        ['directory', { type: 'directory' }, { nlink: 2 }],
        ['symlink', { type: 'symlink', target: 'ü/x' }, { mode: 0o777, size: 4, target: 'ü/x' }],
        ['fifo', { type: 'fifo' }, { mode: 0o644 }],
        ['socket', { type: 'socket' }, { mode: 0o644 }],
        ['chardev', { type: 'chardev', rdev: 259 }, { rdev: 259 }],
        ['blockdev', { type: 'blockdev', rdev: 2049 }, { rdev: 2049 }],
      ]
      for (const [type, what, expected] of made) {
        it(`makes a ${type}`, async () => {
          const inode = await tree.make(at('new'), what, NEW, NOBODY)
          expect(inode).to.include({ type, uid: 1000, gid: 1000, version: 1, ...expected })
          expect(await tree.lookup(tree.root, fileName('new'))).to.deep.equal(inode)
        })
      }

      it('keeps times to the nanosecond, before 1970 and far ahead', async () => {
        const times = [
          -1n,
          -1_000_000_001n,
          0n,
          1_700_000_000_123_456_789n,
          99_999_999_999_999_999_999n,
        ]
        for (const [index, time] of times.entries()) {
          const name = at(`t${index}`)
          const made = await tree.make(
            name,
            { type: 'file' },
            { ...NEW, atime: time, mtime: time },
            NOBODY,
          )
          expect(made).to.include({ atime: time, mtime: time })
          const next = time + 1n
          await tree.setAttributes(made.ino, { atime: next, mtime: next }, overwrite, NOBODY)
          expect(await tree.stat(made.ino)).to.include({ atime: next, mtime: next })
        }
        const never = { ...NEW, mtime: 10n ** 40n }
        await refused('EINVAL', tree.make(at('x'), { type: 'file' }, never, NOBODY))
      })

      it('counts subdirectories and marks the directory as changed', async () => {
        const a = await directory('a')
        tick(subject)
        await directory('b', a.ino)
        await file('c', '', a.ino)
        const after = await tree.stat(a.ino)
        expect(after.nlink).to.equal(3)
        expect(
          after.mtime > a.mtime && after.ctime > a.ctime && after.version > a.version,
        ).to.equal(true)
        expect(after.atime).to.equal(a.atime)
      })

      it('refuses what exists, and a parent that is none', async () => {
        const one = await file('one')
        await refused('EEXIST', tree.make(at('one'), { type: 'directory' }, NEW, NOBODY))
        await refused('ENOTDIR', tree.make(at('x', one.ino), { type: 'file' }, NEW, NOBODY))
        await refused('ENOENT', tree.make(at('x', 999_999), { type: 'file' }, NEW, NOBODY))
        await refused(
          'EINVAL',
          tree.make(at('x'), { type: 'file' }, { ...NEW, mode: 0o10000 }, NOBODY),
        )
        await refused('EINVAL', tree.make(at('x'), { type: 'file' }, { ...NEW, uid: -1 }, NOBODY))
        await refused('ENOENT', tree.make(at('x'), { type: 'symlink', target: '' }, NEW, NOBODY))
        const long = { type: 'symlink', target: 'x'.repeat(4096) } as const
        await refused('ENAMETOOLONG', tree.make(at('x'), long, NEW, NOBODY))
        await refused('EINVAL', tree.make(at('x'), { type: 'chardev', rdev: -1 }, NEW, NOBODY))
        expect(await names()).to.deep.equal(['one'])
      })

      it('lets a set-group-ID directory pass its group on (inode(7))', async () => {
        const a = await directory('a')
        await tree.setAttributes(a.ino, { mode: 0o2775, gid: 77 }, overwrite, NOBODY)
        expect(await directory('b', a.ino)).to.include({ gid: 77, mode: 0o2755 })
        expect(await tree.make(at('f', a.ino), { type: 'file' }, NEW, NOBODY)).to.include({
          gid: 77,
          mode: 0o644,
        })
      })
    })

    describe('reserve', () => {
      it('gives numbers that a create may use once', async () => {
        const first = await tree.reserve(3)
        const middle = { ...NEW, ino: first + 1 }
        const made = await tree.make(at('a'), { type: 'file' }, middle, NOBODY)
        expect(made.ino).to.equal(first + 1)
        await refused('EEXIST', tree.make(at('b'), { type: 'file' }, middle, NOBODY))
        await tree.remove(at('a'), UNLINK, NOBODY)
        await refused('EINVAL', tree.make(at('b'), { type: 'file' }, middle, NOBODY))
        expect((await put(tree, at('c'), 'x', { ino: first })).ino).to.equal(first)
        expect((await put(tree, at('d'), 'x', { ino: first + 2 })).ino).to.equal(first + 2)
        const fresh = await file('e')
        expect([first, first + 1, first + 2]).not.to.include(fresh.ino)
      })

      it('gives them once also when they are used in their order, to the last', async () => {
        const first = await tree.reserve(3)
        for (const ino of [first, first + 1, first + 2]) {
          expect((await put(tree, at('a'), 'x', { ino })).ino).to.equal(ino)
          await tree.remove(at('a'), UNLINK, NOBODY)
          await refused('EINVAL', tree.make(at('a'), { type: 'file' }, { ...NEW, ino }, NOBODY))
        }
      })

      it('refuses numbers that are not reserved for this user', async () => {
        const eve = await storage.tree('eve')
        const first = await eve.reserve(2)
        for (const ino of [first, first + 1, first + 2, tree.root + 500_000, 0]) {
          await refused('EINVAL', tree.make(at('a'), { type: 'file' }, { ...NEW, ino }, NOBODY))
        }
        await refused('EINVAL', tree.reserve(0))
        await refused('EINVAL', tree.reserve(10_001))
      })
    })

    describe('link (link(2))', () => {
      it('gives a file a second name; content and attributes are one', async () => {
        const one = await file('one', 'x')
        tick(subject)
        const two = await tree.link(one.ino, at('two'), NOBODY)
        expect(two).to.include({ ino: one.ino, nlink: 2, mtime: one.mtime })
        expect(two.ctime > one.ctime).to.equal(true)
        await tree.remove(at('one'), UNLINK, NOBODY)
        expect(await read(tree, one.ino)).to.equal('x')
        expect((await tree.stat(one.ino)).nlink).to.equal(1)
      })

      it('refuses directories, taken names and removed files', async () => {
        const folder = await directory('folder')
        const one = await file('one')
        await refused('EPERM', tree.link(folder.ino, at('again'), NOBODY))
        await refused('EEXIST', tree.link(one.ino, at('folder'), NOBODY))
        await tree.remove(at('one'), KEEP, NOBODY)
        await refused('ENOENT', tree.link(one.ino, at('two'), NOBODY))
      })
    })

    describe('remove (unlink(2), rmdir(2))', () => {
      it('tells directories and others apart', async () => {
        await directory('folder')
        await file('file')
        await refused('EISDIR', tree.remove(at('folder'), UNLINK, NOBODY))
        await refused('ENOTDIR', tree.remove(at('file'), RMDIR, NOBODY))
        await refused('ENOENT', tree.remove(at('no'), UNLINK, NOBODY))
        expect((await tree.remove(at('folder'), RMDIR, NOBODY)).nlink).to.equal(0)
        await tree.remove(at('file'), { ...UNLINK, kind: 'either' }, NOBODY)
        expect(await names()).to.deep.equal([])
        expect((await tree.stat(tree.root)).nlink).to.equal(2)
      })

      it('removes several one after another, and refuses each for itself', async () => {
        const folder = await directory('folder')
        await file('x', 'content', folder.ino)
        await file('y')
        const newest = await tree.changes.newest()
        const removals = [
          { place: at('folder'), kind: 'rmdir' },
          { place: at('x', folder.ino), kind: 'unlink' },
          { place: at('x', folder.ino), kind: 'unlink' },
          { place: at('y'), kind: 'rmdir' },
          { place: at('folder'), kind: 'rmdir' },
        ] as const
        const removed = await tree.removeAll(removals, NOBODY)
        expect(
          removed.map((one) => (one.kind === 'removed' ? one.inode.type : one.error.code)),
        ).to.deep.equal(['ENOTEMPTY', 'file', 'ENOENT', 'ENOTDIR', 'directory'])
        expect(await names()).to.deep.equal(['y'])
        expect(await tree.changes.newest()).to.equal(newest + 2)
        await refused('ESTALE', tree.stat(folder.ino))
      })

      it('refuses a directory with names in it', async () => {
        const folder = await directory('folder')
        await file('x', '', folder.ino)
        await refused('ENOTEMPTY', tree.remove(at('folder'), RMDIR, NOBODY))
        await tree.remove(at('x', folder.ino), UNLINK, NOBODY)
        await tree.remove(at('folder'), RMDIR, NOBODY)
        await refused('ESTALE', tree.stat(folder.ino))
        await refused('ESTALE', tree.make(at('y', folder.ino), { type: 'file' }, NEW, NOBODY))
      })

      it('asks the precondition, and changes nothing when it throws', async () => {
        await file('file', 'x')
        const precondition = (current: Inode | undefined) => {
          expect(current).to.include({ type: 'file', size: 1 })
          throw new PreconditionFailed('ESTALE', 'changed')
        }
        const removed = tree.remove(at('file'), { ...UNLINK, precondition }, NOBODY)
        expect(await removed.catch((error) => error)).to.be.instanceOf(PreconditionFailed)
        expect(await names()).to.deep.equal(['file'])
      })

      it('is ESTALE by number afterwards', async () => {
        const { ino } = await file('file', 'x')
        await tree.remove(at('file'), UNLINK, NOBODY)
        await refused('ESTALE', tree.stat(ino))
        await refused('ESTALE', tree.open(ino))
        await refused('ENOENT', tree.stat(123_456_789))
      })

      it('keeps an inode usable by number until it is released', async () => {
        const { ino } = await file('file', 'abc')
        expect((await tree.remove(at('file'), KEEP, NOBODY)).nlink).to.equal(0)
        await tree.write(ino, [{ offset: 1, data: bytes('X') }], overwrite, NOBODY)
        expect(await read(tree, ino)).to.equal('aXc')
        await tree.setAttributes(ino, { size: 2 }, overwrite, NOBODY)
        expect(await tree.stat(ino)).to.include({ nlink: 0, size: 2 })
        expect((await storage.quota('ann')).bytes).to.equal(2)
        await tree.release(ino, overwrite)
        await tree.release(ino, overwrite)
        await refused('ESTALE', tree.stat(ino))
        expect(await storage.quota('ann')).to.include({ bytes: 0, inodes: 1 })
      })

      it('makes a file without a name, which may be given one', async () => {
        const attributes = { mode: 0o600, uid: 3, gid: 4 }
        const { ino, nlink } = await tree.makeNameless(tree.root, attributes, NOBODY)
        expect(nlink).to.equal(0)
        await tree.write(ino, [{ offset: 0, data: bytes('abc') }], overwrite, NOBODY)
        expect(await storage.quota('ann')).to.include({ bytes: 3, inodes: 2 })
        expect(await tree.list(tree.root, { limit: 9 })).to.have.length(0)
        expect(await tree.link(ino, at('file'), NOBODY)).to.include({ nlink: 1, mode: 0o600 })
        await tree.release(ino, overwrite)
        expect(await read(tree, ino)).to.equal('abc')
        expect(await storage.quota('ann')).to.include({ bytes: 3, inodes: 2 })
        await tree.remove(at('file'), KEEP, NOBODY)
        await refused('ENOENT', tree.link(ino, at('again'), NOBODY))
      })

      it('gives up a file that never had a name on release', async () => {
        const attributes = { mode: 0o600, uid: 3, gid: 4 }
        const { ino } = await tree.makeNameless(tree.root, attributes, NOBODY)
        await tree.release(ino, overwrite)
        await refused('ESTALE', tree.stat(ino))
        expect(await storage.quota('ann')).to.include({ bytes: 0, inodes: 1 })
      })

      it('leaves an inode that has a name alone on release', async () => {
        const { ino } = await file('file', 'abc')
        await tree.release(ino, overwrite)
        expect(await read(tree, ino)).to.equal('abc')
      })
    })

    describe('rename (renameat2(2))', () => {
      it('moves between directories and counts subdirectories', async () => {
        const a = await directory('a')
        const b = await directory('b')
        const x = await directory('x', a.ino)
        const moved = await tree.rename(at('x', a.ino), at('y', b.ino), REPLACE, NOBODY)
        expect(moved).to.deep.include({ replaced: false })
        expect(moved.inode.ino).to.equal(x.ino)
        expect((await tree.stat(a.ino)).nlink).to.equal(2)
        expect((await tree.stat(b.ino)).nlink).to.equal(3)
        expect(await tree.parent(x.ino)).to.equal(b.ino)
      })

      it('replaces a file, and an empty directory by a directory', async () => {
        const old = await file('old', 'old')
        const next = await file('new', 'new')
        expect((await tree.rename(at('new'), at('old'), REPLACE, NOBODY)).replaced).to.equal(true)
        expect(await names()).to.deep.equal(['old'])
        expect((await tree.lookup(tree.root, fileName('old'))).ino).to.equal(next.ino)
        await refused('ESTALE', tree.stat(old.ino))
        await directory('d')
        await directory('e')
        await tree.rename(at('d'), at('e'), REPLACE, NOBODY)
        expect((await tree.stat(tree.root)).nlink).to.equal(3)
      })

      it('keeps what is replaced usable by number if asked to', async () => {
        const old = await file('old', 'old')
        await file('new', 'new')
        await tree.rename(at('new'), at('old'), { ...REPLACE, keep: true }, NOBODY)
        expect(await read(tree, old.ino)).to.equal('old')
        expect((await tree.stat(old.ino)).nlink).to.equal(0)
      })

      it('refuses types that do not fit, and full directories', async () => {
        const a = await directory('a')
        await directory('b')
        await file('f')
        await file('x', '', a.ino)
        await refused('EISDIR', tree.rename(at('f'), at('b'), REPLACE, NOBODY))
        await refused('ENOTDIR', tree.rename(at('b'), at('f'), REPLACE, NOBODY))
        await refused('ENOTEMPTY', tree.rename(at('b'), at('a'), REPLACE, NOBODY))
        await refused('ENOENT', tree.rename(at('no'), at('f'), REPLACE, NOBODY))
        await refused(
          'ENOTDIR',
          tree.rename(at('b'), at('x', (await file('g')).ino), REPLACE, NOBODY),
        )
      })

      it('refuses a directory into itself, in every mode', async () => {
        const a = await directory('a')
        const b = await directory('b', a.ino)
        const c = await directory('c', b.ino)
        await refused('EINVAL', tree.rename(at('a'), at('x', a.ino), REPLACE, NOBODY))
        await refused('EINVAL', tree.rename(at('a'), at('x', c.ino), REPLACE, NOBODY))
        await refused('ENOTEMPTY', tree.rename(at('c', b.ino), at('a'), REPLACE, NOBODY))
        const exchange = { ...REPLACE, mode: 'exchange' } as const
        await refused('EINVAL', tree.rename(at('a'), at('c', b.ino), exchange, NOBODY))
        await refused('EINVAL', tree.rename(at('c', b.ino), at('a'), exchange, NOBODY))
      })

      it('does nothing between two names of the same inode', async () => {
        const one = await file('one')
        await tree.link(one.ino, at('two'), NOBODY)
        expect((await tree.rename(at('one'), at('two'), REPLACE, NOBODY)).replaced).to.equal(false)
        expect(await names()).to.deep.equal(['one', 'two'])
        await tree.rename(at('one'), at('one'), REPLACE, NOBODY)
        expect(await names()).to.deep.equal(['one', 'two'])
      })

      it('refuses an existing name with noreplace', async () => {
        await file('one')
        await file('two')
        const noreplace = { ...REPLACE, mode: 'noreplace' } as const
        await refused('EEXIST', tree.rename(at('one'), at('two'), noreplace, NOBODY))
        await tree.rename(at('one'), at('three'), noreplace, NOBODY)
        expect(await names()).to.deep.equal(['three', 'two'])
      })

      it('exchanges two names, also of different types', async () => {
        const a = await directory('a')
        const x = await directory('x', a.ino)
        const f = await file('f')
        const exchange = { ...REPLACE, mode: 'exchange' } as const
        await tree.rename(at('f'), at('x', a.ino), exchange, NOBODY)
        expect((await tree.lookup(tree.root, fileName('f'))).ino).to.equal(x.ino)
        expect((await tree.lookup(a.ino, fileName('x'))).ino).to.equal(f.ino)
        expect((await tree.stat(a.ino)).nlink).to.equal(2)
        expect((await tree.stat(tree.root)).nlink).to.equal(4)
        await refused('ENOENT', tree.rename(at('f'), at('no'), exchange, NOBODY))
      })

      it('marks both directories, and the inode itself by its ctime alone', async () => {
        const a = await directory('a')
        const b = await directory('b')
        const f = await file('f', '', a.ino)
        const g = await file('g', '', b.ino)
        /** Which times of each change by it. */
        const changed = async (work: () => Promise<unknown>) => {
          const inos = [a.ino, b.ino, f.ino, g.ino]
          const before = await Promise.all(inos.map((ino) => tree.stat(ino)))
          tick(subject)
          await work()
          const after = await Promise.all(inos.map((ino) => tree.stat(ino)))
          return before.map((old, n) =>
            (['mtime', 'ctime'] as const).filter((time) => after[n]?.[time] !== old[time]).join(),
          )
        }
        const [none, both, own] = ['', 'mtime,ctime', 'ctime']
        const move = () => tree.rename(at('f', a.ino), at('h', b.ino), REPLACE, NOBODY)
        expect(await changed(move)).to.deep.equal([both, both, own, none])
        const exchange = { ...REPLACE, mode: 'exchange' } as const
        const swap = () => tree.rename(at('g', b.ino), at('h', b.ino), exchange, NOBODY)
        expect(await changed(swap)).to.deep.equal([none, both, own, own])
      })

      it('shows the precondition what stands at the destination', async () => {
        await file('one')
        const two = await file('two')
        const seen: (number | undefined)[] = []
        const precondition = (current: Inode | undefined) => {
          seen.push(current?.ino)
        }
        await tree.rename(at('one'), at('three'), { ...REPLACE, precondition }, NOBODY)
        await tree.rename(at('three'), at('two'), { ...REPLACE, precondition }, NOBODY)
        expect(seen).to.deep.equal([undefined, two.ino])
      })

      it('asks of the source in the same step, and changes nothing if it is not as wanted', async () => {
        const one = await file('one', 'x')
        await file('two', 'y')
        const source = (current: Inode | undefined) => {
          if (current?.version !== one.version) throw new PreconditionFailed('ESTALE', 'changed')
        }
        await tree.write(one.ino, [{ offset: 0, data: bytes('z') }], overwrite, NOBODY)
        const renamed = tree.rename(at('one'), at('two'), { ...REPLACE, source }, NOBODY)
        expect(await renamed.catch((error) => error)).to.be.instanceOf(PreconditionFailed)
        expect(await read(tree, (await tree.lookup(tree.root, fileName('two'))).ino)).to.equal('y')
      })
    })

    describe('setAttributes', () => {
      it('changes what is given and leaves the rest', async () => {
        const before = await file('f', 'x')
        tick(subject)
        const after = await tree.setAttributes(before.ino, { mode: 0o4711 }, overwrite, NOBODY)
        const { mode: _mode, permissions: _permissions, ctime, ...rest } = after
        expect(after.mode).to.equal(0o4711)
        expect(ctime > before.ctime).to.equal(true)
        expect(before).to.include(rest)
        const same = await tree.setAttributes(before.ino, {}, overwrite, NOBODY)
        expect(same).to.deep.equal(after)
      })

      it('counts how often mode or owner are set, to what they are, too', async () => {
        const { ino, permissions } = await file('f', 'x')
        const count = (changes: AttributeChanges) =>
          tree.setAttributes(ino, changes, overwrite, NOBODY).then((after) => after.permissions)
        expect(permissions).to.equal(0)
        expect(await count({ mode: 0o4644 })).to.equal(1)
        expect(await count({ mode: 0o4644 })).to.equal(2)
        expect(await count({ atime: 5n })).to.equal(2)
        const parts = [{ offset: 0, data: bytes('y') }]
        const written = () => tree.write(ino, parts, overwrite, NOBODY)
        expect((await written()).permissions, 'no set-user-ID any more').to.equal(3)
        expect((await written()).permissions).to.equal(3)
        expect(await count({ uid: 7, gid: 7 })).to.equal(4)
        expect((await tree.stat(ino)).permissions).to.equal(4)
      })

      it('leaves mode and owner as somebody has set them since they were seen', async () => {
        const { ino } = await file('f', 'x')
        const { permissions } = await tree.setAttributes(ino, { mode: 0o600 }, overwrite, NOBODY)
        const late = { mode: 0o666, gid: 9, mtime: 5n, permissions: permissions - 1 }
        const left = { mode: 0o600, gid: NEW.gid, mtime: 5n, permissions }
        const parts = [{ offset: 0, data: bytes('y') }]
        expect(await tree.setAttributes(ino, late, overwrite, NOBODY)).to.include(left)
        expect(await tree.write(ino, parts, overwrite, NOBODY, late)).to.include(left)
        const cut = { ...late, size: 0 }
        expect(await tree.setAttributes(ino, cut, overwrite, NOBODY)).to.include({
          ...left,
          size: 0,
        })
        const seen = { ...late, mode: 0o4666, permissions }
        const set = { mode: 0o4666, gid: 9, permissions: permissions + 1 }
        expect(await tree.write(ino, parts, overwrite, NOBODY, seen)).to.include(set)
      })

      it('takes "now" from its own clock', async () => {
        const { ino } = await file('f')
        tick(subject)
        const { atime, mtime } = await tree.setAttributes(
          ino,
          { atime: 'now', mtime: 'now' },
          overwrite,
          NOBODY,
        )
        expect([atime / 1_000_000n, mtime / 1_000_000n].map(Number)).to.deep.equal([
          subject.clock.date.getTime(),
          subject.clock.date.getTime(),
        ])
      })

      it('drops set-user-ID and set-group-ID on chown(2) and on writing', async () => {
        const { ino } = await file('f')
        const set = (mode: number) => tree.setAttributes(ino, { mode }, overwrite, NOBODY)
        await set(0o6755)
        expect((await tree.setAttributes(ino, { uid: 5 }, overwrite, NOBODY)).mode).to.equal(0o755)
        await set(0o2644)
        expect((await tree.setAttributes(ino, { gid: 5 }, overwrite, NOBODY)).mode).to.equal(0o2644)
        await set(0o6755)
        expect(
          (await tree.setAttributes(ino, { uid: 5, mode: 0o4755 }, overwrite, NOBODY)).mode,
        ).to.equal(0o4755)
        const data = bytes('x')
        expect((await tree.write(ino, [{ offset: 0, data }], overwrite, NOBODY)).mode).to.equal(
          0o755,
        )
        await set(0o4755)
        expect((await tree.setAttributes(ino, { size: 0 }, overwrite, NOBODY)).mode).to.equal(0o755)
        const folder = await directory('d')
        await tree.setAttributes(folder.ino, { mode: 0o2755 }, overwrite, NOBODY)
        expect((await tree.setAttributes(folder.ino, { gid: 9 }, overwrite, NOBODY)).mode).to.equal(
          0o2755,
        )
      })

      it('cuts and extends; what it adds is a hole', async () => {
        const { ino, version } = await file('f', 'hello')
        const cut = await tree.setAttributes(ino, { size: 2 }, overwrite, NOBODY)
        expect(cut.size).to.equal(2)
        expect(cut.version).to.equal(version + 1)
        await tree.setAttributes(ino, { size: 6 }, overwrite, NOBODY)
        expect(await read(tree, ino)).to.equal('he\0\0\0\0')
        await tree.setAttributes(ino, { size: 0 }, overwrite, NOBODY)
        await tree.setAttributes(ino, { size: 3 }, overwrite, NOBODY)
        expect(await read(tree, ino)).to.equal('\0\0\0')
        await tree.write(ino, [{ offset: 1, data: bytes('x') }], overwrite, NOBODY)
        expect(await read(tree, ino)).to.equal('\0x\0')
      })

      it('refuses sizes of what has no content, and impossible ones', async () => {
        const { ino } = await file('f')
        const folder = await directory('d')
        const fifo = await tree.make(at('p'), { type: 'fifo' }, NEW, NOBODY)
        await refused('EISDIR', tree.setAttributes(folder.ino, { size: 0 }, overwrite, NOBODY))
        await refused('EINVAL', tree.setAttributes(fifo.ino, { size: 0 }, overwrite, NOBODY))
        await refused('EINVAL', tree.setAttributes(ino, { size: -1 }, overwrite, NOBODY))
        await refused('EFBIG', tree.setAttributes(ino, { size: 2 ** 53 }, overwrite, NOBODY))
        await tree.setAttributes(ino, { size: 2 ** 53 - 1 }, overwrite, NOBODY)
        expect((await tree.stat(ino)).size).to.equal(2 ** 53 - 1)
      })
    })

    describe('xattrs (xattr(7))', () => {
      it('sets, reads, lists and removes', async () => {
        const { ino } = await file('f')
        const value = Buffer.from([0, 255, 10])
        await tree.setXattr(ino, 'user.b', value, 'either', overwrite, NOBODY)
        await tree.setXattr(ino, 'user.a', bytes(''), 'create', overwrite, NOBODY)
        expect(await tree.listXattrs(ino)).to.deep.equal(['user.a', 'user.b'])
        expect(await tree.getXattr(ino, 'user.b')).to.deep.equal(value)
        await refused('EEXIST', tree.setXattr(ino, 'user.a', value, 'create', overwrite, NOBODY))
        await refused('ENODATA', tree.setXattr(ino, 'user.c', value, 'replace', overwrite, NOBODY))
        await tree.setXattr(ino, 'user.b', bytes('new'), 'replace', overwrite, NOBODY)
        expect(String(await tree.getXattr(ino, 'user.b'))).to.equal('new')
        await tree.removeXattr(ino, 'user.b', overwrite, NOBODY)
        await refused('ENODATA', tree.getXattr(ino, 'user.b'))
        await refused('ENODATA', tree.removeXattr(ino, 'user.b', overwrite, NOBODY))
      })

      it('come with what is new, in one step, and count', async () => {
        const given = { ...NEW, xattrs: new Map([['user.a', bytes('value')]]) }
        await storage.setQuota('ann', { maxBytes: 1000, maxInodes: 100 })
        const before = await tree.totals()
        const upload = await tree.upload()
        await upload.write([bytes('uploaded')])
        const terms = { precondition: overwrite, origin: NOBODY }
        // which is for `upload` to make where it does not go into the database
        const created = await tree.create(at('c'), bytes('created'), given, terms)
        const made = [
          ...(created === undefined ? [] : [created]),
          await tree.make(at('d'), { type: 'directory' }, given, NOBODY),
          await tree.make(at('s'), { type: 'symlink', target: 't' }, given, NOBODY),
          (await upload.commit(at('u'), given, overwrite, NOBODY)).inode,
          await tree.makeNameless(tree.root, given, NOBODY),
        ]
        for (const inode of made) {
          expect(String(await tree.getXattr(inode.ino, 'user.a'))).to.equal('value')
          expect(inode.ctime).to.equal((await tree.stat(inode.ino)).ctime)
        }
        const content = (created?.size ?? 0) + 'uploaded'.length
        const used = made.length * 'value'.length + content
        expect(before.freeBytes - (await tree.totals()).freeBytes).to.equal(used)
        const large = { ...NEW, xattrs: new Map([['user.a', Buffer.alloc(65_537)]]) }
        await refused('E2BIG', tree.make(at('none'), { type: 'file' }, large, NOBODY))
        await refused('ENOENT', tree.lookup(tree.root, fileName('none')))
      })

      it('asks the precondition about the value, in the step that changes it', async () => {
        const { ino } = await file('f')
        const seen: (string | undefined)[] = []
        const never = (value: Buffer | undefined) => {
          seen.push(value?.toString())
          throw new FileError('EBUSY', 'never')
        }
        await refused('EBUSY', tree.setXattr(ino, 'user.a', bytes('1'), 'either', never, NOBODY))
        await refused('ENODATA', tree.getXattr(ino, 'user.a'))
        await tree.setXattr(ino, 'user.a', bytes('2'), 'either', overwrite, NOBODY)
        await refused('EBUSY', tree.setXattr(ino, 'user.a', bytes('3'), 'either', never, NOBODY))
        await refused('EBUSY', tree.removeXattr(ino, 'user.a', never, NOBODY))
        expect(String(await tree.getXattr(ino, 'user.a'))).to.equal('2')
        expect(seen).to.deep.equal([undefined, '2', '2'])
      })

      it('knows the limits of Linux', async () => {
        const { ino } = await file('f')
        const set = (name: string, size: number) =>
          tree.setXattr(ino, name, Buffer.alloc(size), 'either', overwrite, NOBODY)
        await refused('ERANGE', set('', 1))
        await refused('ERANGE', set('x'.repeat(256), 1))
        await refused('E2BIG', set('user.a', 65_537))
        await set('x'.repeat(255), 65_536)
        const many = Array.from({ length: 255 }, (_, index) => String(index).padEnd(255, 'x'))
        for (const name of many) await set(name, 1)
        await refused('ENOSPC', set('y'.repeat(255), 1))
      })

      it('lives and dies with its inode', async () => {
        const { ino } = await file('f')
        await tree.setXattr(ino, 'user.a', bytes('12345'), 'either', overwrite, NOBODY)
        expect((await storage.quota('ann')).bytes).to.equal(5)
        await tree.remove(at('f'), UNLINK, NOBODY)
        expect((await storage.quota('ann')).bytes).to.equal(0)
      })
    })

    describe('write', () => {
      it('writes parts in order, one new version for all', async () => {
        const { ino, version } = await file('f', 'aaaaaaaa')
        const parts: WritePart[] = [
          { offset: 1, data: bytes('bbb') },
          { offset: 2, data: bytes('c') },
          { offset: append, data: bytes('dd') },
          { offset: append, data: bytes('e') },
          { offset: 12, data: bytes('f') },
        ]
        const after = await tree.write(ino, parts, overwrite, NOBODY)
        expect(await read(tree, ino)).to.equal('abcbaaaadde\0f')
        expect(after).to.include({ size: 13, version: version + 1 })
      })

      it('applies attribute changes after the bytes, in the same step', async () => {
        const { ino } = await file('f', 'aaaa')
        const changes = { size: 3, mtime: 5n, mode: 0o600 }
        const parts = [{ offset: 2, data: bytes('bbbb') }]
        const after = await tree.write(ino, parts, overwrite, NOBODY, changes)
        expect(after).to.include({ size: 3, mtime: 5n, mode: 0o600 })
        expect(await read(tree, ino)).to.equal('aab')
        await tree.write(ino, [], overwrite, NOBODY, { size: 5 })
        expect(await read(tree, ino)).to.equal('aab\0\0')
      })

      it('writes nothing when the source fails', async () => {
        const before = await file('f', 'aaaa')
        const source = async function* () {
          yield [{ offset: 0, data: bytes('bb') }]
          throw new FileError('EIO', 'the client went away')
        }
        await refused('EIO', tree.write(before.ino, source(), overwrite, NOBODY))
        expect(await read(tree, before.ino)).to.equal('aaaa')
        expect(await tree.stat(before.ino)).to.deep.equal(before)
      })

      it('writes large parts, whole, over and beyond the end', async () => {
        const { ino } = await file('f', 'x'.repeat(3_000_000))
        const data = Buffer.alloc(1_000_000, 'y')
        const parts = Array.from({ length: 12 }, (_, index) => ({
          offset: 500_000 + index * 1_000_000,
          data,
        }))
        await tree.write(ino, parts, overwrite, NOBODY)
        const whole = await readBytes(tree, ino)
        const expected = Buffer.concat([
          Buffer.alloc(500_000, 'x'),
          ...parts.map((part) => part.data),
        ])
        expect(whole.equals(expected)).to.equal(true)
      })

      it('serialises writers: no append is lost', async () => {
        const { ino } = await file('f')
        const all = Array.from({ length: 50 }, (_, index) => `${index},`)
        await Promise.all(
          all.map((one) =>
            tree.write(ino, [{ offset: append, data: bytes(one) }], overwrite, NOBODY),
          ),
        )
        expect((await read(tree, ino)).split(',').sort()).to.deep.equal(
          all
            .map((one) => one.slice(0, -1))
            .concat('')
            .sort(),
        )
      })

      it('asks the precondition, and changes nothing when it throws', async () => {
        const { ino } = await file('f', 'a')
        const precondition = () => {
          throw new PreconditionFailed('ESTALE', 'changed')
        }
        const written = tree.write(ino, [{ offset: 0, data: bytes('b') }], precondition, NOBODY)
        expect(await written.catch((error) => error)).to.be.instanceOf(PreconditionFailed)
        expect(await read(tree, ino)).to.equal('a')
      })

      it('refuses what is no file, and offsets beyond 2^53 - 1', async () => {
        const { ino } = await file('f')
        const folder = await directory('d')
        const link = await tree.make(at('l'), { type: 'symlink', target: 'f' }, NEW, NOBODY)
        const data = bytes('x')
        await refused('EISDIR', tree.write(folder.ino, [{ offset: 0, data }], overwrite, NOBODY))
        await refused('EINVAL', tree.write(link.ino, [{ offset: 0, data }], overwrite, NOBODY))
        await refused('EFBIG', tree.write(ino, [{ offset: 2 ** 53 - 1, data }], overwrite, NOBODY))
        await refused('EINVAL', tree.write(ino, [{ offset: -1, data }], overwrite, NOBODY))
        await refused('EISDIR', tree.open(folder.ino))
        await refused('EINVAL', tree.open(link.ino))
      })

      it('keeps offsets beyond 2^32 exact', async () => {
        const { ino } = await file('f')
        const offset = 2 ** 33 + 1
        const after = await tree.write(ino, [{ offset, data: bytes('end') }], overwrite, NOBODY)
        expect(after.size).to.equal(offset + 3)
        const content = await tree.open(ino)
        expect(String(await content.read(offset - 1, 100))).to.equal('\0end')
        await content.close()
      })
    })

    describe('upload', () => {
      it('creates a file with its attributes in one step', async () => {
        const attributes = { mode: 0o600, uid: 7, gid: 8, atime: 1n, mtime: 2n }
        const upload = await tree.upload()
        await upload.write(source('hello'))
        expect(await names()).to.deep.equal([])
        expect(upload.size).to.equal(5)
        const { inode, created } = await upload.commit(at('f'), attributes, overwrite, NOBODY)
        expect(created).to.equal(true)
        expect(inode).to.include({ ...attributes, size: 5, type: 'file', nlink: 1 })
        expect(await read(tree, inode.ino)).to.equal('hello')
      })

      it('replaces content: same inode, new generation and version', async () => {
        const before = await file('f', 'old content')
        await tree.link(before.ino, at('g'), NOBODY)
        const reader = await tree.open(before.ino)
        const after = await file('f', 'new')
        expect(after).to.include({ ino: before.ino, nlink: 2, size: 3, crtime: before.crtime })
        expect(after.version > before.version).to.equal(true)
        expect(after.generation).not.to.equal(before.generation)
        expect(await read(tree, before.ino)).to.equal('new')
        expect(String(await reader.read(0, 100))).to.equal('old content')
        await reader.close()
        expect((await storage.quota('ann')).bytes).to.equal(3)
        await file('f', '')
        expect(await read(tree, before.ino)).to.equal('')
      })

      it('replaces by inode number, whatever the name is by now', async () => {
        const { ino } = await file('f', 'old')
        await tree.rename(at('f'), at('g'), REPLACE, NOBODY)
        expect((await put(tree, ino, 'new')).ino).to.equal(ino)
        expect(await read(tree, ino)).to.equal('new')
      })

      it('takes a large content in many pieces', async () => {
        const chunk = Buffer.alloc(100_000, 'z')
        const upload = await tree.upload()
        await upload.write(repeat(chunk, 25))
        await upload.write(repeat(chunk, 5))
        const { inode } = await upload.commit(at('big'), {}, overwrite, NOBODY)
        expect(inode.size).to.equal(3_000_000)
        expect((await readBytes(tree, inode.ino)).equals(Buffer.alloc(3_000_000, 'z'))).to.equal(
          true,
        )
      })

      it('keeps holes: what is skipped reads as zeros, counts as size, and takes no room', async () => {
        const upload = await tree.upload()
        await upload.skip(10_000_000)
        await upload.write(source('data'))
        await upload.skip(0)
        await upload.skip(10_000_000)
        expect(upload.size).to.equal(20_000_004)
        const { inode } = await upload.commit(at('sparse'), {}, overwrite, NOBODY)
        expect(inode.size).to.equal(20_000_004)
        expect(inode.allocated).to.be.below(1_000_000)
        const content = await tree.open(inode.ino)
        expect(String(await content.read(9_999_999, 6))).to.equal('\0data\0')
        await content.close()
        expect((await storage.quota('ann')).bytes).to.equal(20_000_004)
        const whole = await tree.upload()
        await whole.skip(5)
        expect((await whole.commit(inode.ino, {}, overwrite, NOBODY)).inode.size).to.equal(5)
        expect(await read(tree, inode.ino)).to.equal('\0'.repeat(5))
        await storage.setQuota('ann', { maxBytes: 1000, maxInodes: null })
        await refused('EDQUOT', (await tree.upload()).skip(2000))
      })

      it('leaves no trace when aborted or refused', async () => {
        const upload = await tree.upload()
        await upload.write(source('x'.repeat(1_000_000)))
        await upload.abort()
        await upload.abort()
        await refused('EINVAL', upload.commit(at('f'), {}, overwrite, NOBODY))
        const folder = await directory('d')
        const link = await tree.make(at('l'), { type: 'symlink', target: 'f' }, NEW, NOBODY)
        await refused('EISDIR', put(tree, at('d'), 'x'))
        await refused('EISDIR', put(tree, folder.ino, 'x'))
        await refused('ELOOP', put(tree, at('l'), 'x'))
        await refused('EINVAL', put(tree, link.ino, 'x'))
        await refused('ENOTDIR', put(tree, at('x', link.ino), 'x'))
        const precondition = (current: Inode | undefined) => {
          if (current === undefined) throw new PreconditionFailed('ESTALE', 'not there')
        }
        const refusedUpload = await tree.upload()
        await refusedUpload.write(source('x'))
        const committed = refusedUpload.commit(at('f'), {}, precondition, NOBODY)
        expect(await committed.catch((error) => error)).to.be.instanceOf(PreconditionFailed)
        expect(await names()).to.deep.equal(['d', 'l'])
        expect((await storage.quota('ann')).bytes).to.equal(0)
      })
    })

    describe('content', () => {
      it('reads ranges, and streams them', async () => {
        const text = Array.from({ length: 100_000 }, (_, index) => index).join(' ')
        const { ino } = await file('f', text)
        const content = await tree.open(ino)
        expect(String(await content.read(10, 20))).to.equal(text.slice(10, 30))
        expect(String(await content.read(text.length - 3, 20))).to.equal(text.slice(-3))
        expect((await content.read(text.length, 1)).length).to.equal(0)
        const chunks: Buffer[] = []
        for await (const chunk of content.stream(5, text.length - 2)) chunks.push(chunk)
        expect(String(Buffer.concat(chunks))).to.equal(text.slice(5, -1))
      })

      it('is at hand at once, where it is, as it would be read', async () => {
        const folder = await directory('d')
        const small = await file('f', 'small', folder.ino)
        await file('empty')
        await file('large', 'x'.repeat(1_000_000))
        const atHand = (path: string, from: Ino | 'root' = 'root', owner = 'ann') =>
          storage.atHand(owner, from, storagePath(path))
        for (const path of ['d/f', 'empty', 'large', 'd', '']) {
          const there = atHand(path)
          if (there === undefined) continue
          const inode = await tree.walk(tree.root, storagePath(path))
          const content = await tree.open(inode.ino)
          expect(there.inode).to.deep.equal(inode)
          expect(there.data).to.deep.equal(await content.read(0, 1_000_000))
          await content.close()
        }
        expect(atHand('', small.ino)).to.deep.equal(atHand('d/f'))
        expect(atHand('d')).to.equal(undefined)
        await tree.write(small.ino, [{ offset: 0, data: bytes('SM') }], overwrite, NOBODY)
        expect(String(atHand('d/f')?.data ?? 'SMall')).to.equal('SMall')
        expect(atHand('f', folder.ino, 'nobody')).to.equal(undefined)
        await storage.tree('eve')
        expect(() => atHand('', small.ino, 'eve')).to.throw(FileError, 'no inode')
        expect(() => atHand('none')).to.throw(FileError, 'there is no "none"')
      })
    })

    describe('copy', () => {
      const deep = { deep: true, source: overwrite, precondition: overwrite }

      it('asks of the very content that it copies', async () => {
        const one = await file('one', 'x'.repeat(300_000))
        const source = (current: Inode | undefined) => {
          if (current?.version !== one.version) throw new PreconditionFailed('ESTALE', 'changed')
        }
        // it is as wanted when the copy is asked for, and no longer when its turn comes
        let copied: Promise<unknown> = Promise.resolve()
        async function* parts() {
          // so much that the event loop gets a turn while it is written
          yield [{ offset: 0, data: bytes('y'.repeat(2_000_000)) }]
          setImmediate(() => {
            const how = { ...deep, source }
            copied = tree.copy(one.ino, at('two'), how, NOBODY).catch((error) => error)
          })
        }
        await tree.write(one.ino, parts(), overwrite, NOBODY)
        expect(await copied).to.be.instanceOf(PreconditionFailed)
        expect(await names()).to.deep.equal(['one'])
        expect((await storage.quota('ann')).bytes).to.equal(2_000_000)
      })

      it('copies content, attributes and xattrs to a new inode', async () => {
        const one = await file('one', 'x'.repeat(300_000))
        await tree.setXattr(one.ino, 'user.a', bytes('1'), 'either', overwrite, NOBODY)
        const { inode, replaced } = await tree.copy(one.ino, at('two'), deep, NOBODY)
        expect(replaced).to.equal(false)
        expect(inode).to.include({
          size: 300_000,
          mode: one.mode,
          uid: one.uid,
          mtime: one.mtime,
          nlink: 1,
        })
        expect(inode.ino).not.to.equal(one.ino)
        expect(await tree.listXattrs(inode.ino)).to.deep.equal(['user.a'])
        await tree.write(one.ino, [{ offset: 0, data: bytes('y') }], overwrite, NOBODY)
        expect((await read(tree, inode.ino))[0]).to.equal('x')
        const link = await tree.make(at('l'), { type: 'symlink', target: 't' }, NEW, NOBODY)
        expect((await tree.copy(link.ino, at('m'), deep, NOBODY)).inode).to.include({ target: 't' })
      })

      it('copies a directory with all it contains, or alone', async () => {
        const a = await directory('a')
        for (let index = 0; index < 150; index += 1) await file(`f${index}`, `${index}`, a.ino)
        const b = await directory('b', a.ino)
        await directory('empty', a.ino)
        await file('x', 'deep', b.ino)
        const { inode } = await tree.copy(a.ino, at('copy'), deep, NOBODY)
        expect(inode.nlink).to.equal(4)
        expect(await names(inode.ino)).to.deep.equal(await names(a.ino))
        const x = await tree.walk(inode.ino, [fileName('b'), fileName('x')])
        expect(await read(tree, x.ino)).to.equal('deep')
        const alone = await tree.copy(a.ino, at('alone'), { ...deep, deep: false }, NOBODY)
        expect(await names(alone.inode.ino)).to.deep.equal([])
        expect((await tree.stat(tree.root)).nlink).to.equal(5)
        const into = await tree.copy(a.ino, at('inside', b.ino), deep, NOBODY)
        expect(await names(into.inode.ino)).to.include('f0')
      })

      it('replaces as rename does', async () => {
        const one = await file('one', '1')
        const two = await file('two', '2')
        await directory('d')
        expect((await tree.copy(one.ino, at('two'), deep, NOBODY)).replaced).to.equal(true)
        await refused('ESTALE', tree.stat(two.ino))
        await refused('EISDIR', tree.copy(one.ino, at('d'), deep, NOBODY))
        await refused('EPERM', tree.copy(one.ino, at('one'), deep, NOBODY))
        expect(await storage.quota('ann')).to.include({ bytes: 2, inodes: 4 })
      })
    })

    describe('quotas and totals', () => {
      it('counts bytes and inodes', async () => {
        expect(await storage.quota('ann')).to.deep.equal({
          bytes: 0,
          inodes: 1,
          links: 0,
          maxBytes: null,
          maxInodes: null,
        })
        const { ino } = await file('a', '12345')
        await directory('d')
        await tree.link(ino, at('b'), NOBODY)
        await tree.write(ino, [{ offset: 4, data: bytes('xyz') }], overwrite, NOBODY)
        await tree.setAttributes(ino, { size: 6 }, overwrite, NOBODY)
        expect(await storage.quota('ann')).to.include({ bytes: 6, inodes: 3 })
        await tree.remove(at('a'), UNLINK, NOBODY)
        expect(await storage.quota('ann')).to.include({ bytes: 6, inodes: 3 })
        await tree.remove(at('b'), UNLINK, NOBODY)
        expect(await storage.quota('ann')).to.include({ bytes: 0, inodes: 2 })
      })

      it('refuses bytes and inodes beyond the quota, in every way, and takes them again after a delete', async () => {
        const { ino } = await file('a', '12345')
        await storage.setQuota('ann', { maxBytes: 10, maxInodes: 3 })
        const data = Buffer.alloc(6)
        await refused('EDQUOT', file('b', '123456'))
        await refused('EDQUOT', tree.write(ino, [{ offset: append, data }], overwrite, NOBODY))
        await refused('EDQUOT', tree.setAttributes(ino, { size: 11 }, overwrite, NOBODY))
        await refused('EDQUOT', tree.setXattr(ino, 'user.a', data, 'either', overwrite, NOBODY))
        await file('b', '12345')
        await refused('EDQUOT', tree.make(at('c'), { type: 'fifo' }, NEW, NOBODY))
        await refused(
          'EDQUOT',
          tree.copy(
            ino,
            at('c'),
            { deep: true, source: overwrite, precondition: overwrite },
            NOBODY,
          ),
        )
        expect(await read(tree, ino)).to.equal('12345')
        await file('a', '123')
        await tree.remove(at('b'), UNLINK, NOBODY)
        await file('c', '1234567')
        expect(await storage.quota('ann')).to.include({ bytes: 10, inodes: 3 })
        await refused('EINVAL', storage.setQuota('ann', { maxBytes: -1, maxInodes: null }))
      })

      it('tells numbers of files that are longer than any disk, and refuses what cannot be counted any more', async () => {
        const size = Number.MAX_SAFE_INTEGER
        const made = async (name: string) => {
          const { ino } = await file(name, '')
          return tree.setAttributes(ino, { size }, overwrite, NOBODY)
        }
        await made('a')
        await made('b')
        expect(await tree.totals()).to.include({ totalBytes: size })
        for (let count = 2; count < 512; count += 1) await made(`${count}`)
        await refused('EDQUOT', made('c'))
        await tree.remove(at('b'), UNLINK, NOBODY)
        await made('d')
      })

      it('counts exactly again once files that are longer than any disk are gone', async () => {
        for (const name of ['a', 'b', 'c', 'd']) {
          const { ino } = await file(name, '')
          await tree.setAttributes(ino, { size: Number.MAX_SAFE_INTEGER }, overwrite, NOBODY)
        }
        for (const name of ['e', 'f', 'g']) await file(name, 'odd')
        for (const name of ['a', 'b', 'c', 'd']) await tree.remove(at(name), UNLINK, NOBODY)
        expect((await storage.quota('ann')).bytes).to.equal(9)
      })

      it('counts names beyond the first against the quota of files, and tells inodes all the same', async () => {
        const { ino } = await file('a', '1')
        await storage.setQuota('ann', { maxBytes: null, maxInodes: 4 })
        await tree.link(ino, at('b'), NOBODY)
        await tree.link(ino, at('c'), NOBODY)
        await refused('EDQUOT', tree.link(ino, at('d'), NOBODY))
        await refused('EDQUOT', file('d', '1'))
        expect(await storage.quota('ann')).to.include({ inodes: 2, links: 2 })
        expect(await tree.totals()).to.include({ totalInodes: 2, freeInodes: 0 })
        const replace = { mode: 'replace', source: overwrite, precondition: overwrite } as const
        await tree.rename(at('b'), at('c2'), { ...replace, keep: false }, NOBODY)
        await tree.remove(at('a'), UNLINK, NOBODY)
        expect(await storage.quota('ann')).to.include({ inodes: 2, links: 1 })
        const other = await file('other', '1')
        await tree.rename(at('other'), at('c2'), { ...replace, keep: false }, NOBODY)
        expect(await storage.quota('ann')).to.include({ inodes: 3, links: 0 })
        expect(await tree.totals()).to.include({ totalInodes: 4, freeInodes: 1 })
        await tree.link(other.ino, at('d'), NOBODY)
        await tree.remove(at('d'), UNLINK, NOBODY)
        await tree.remove(at('c2'), { ...UNLINK, keep: true }, NOBODY)
        await tree.release(other.ino, overwrite)
        expect(await storage.quota('ann')).to.include({ inodes: 2, links: 0 })
      })

      it('stops an upload while it streams', async () => {
        await storage.setQuota('ann', { maxBytes: 1_000_000, maxInodes: null })
        const endless = { sent: 0 }
        const upload = await tree.upload()
        await refused('EDQUOT', upload.write(repeat(Buffer.alloc(100_000), 1_000, endless)))
        await upload.abort()
        expect(endless.sent).to.be.below(30)
        await refused('EDQUOT', tree.upload({ size: 1_000_001 }))
        await storage.setQuota('ann', { maxBytes: null, maxInodes: 1 })
        await refused('EDQUOT', tree.upload({ replaces: 'nothing' }))
      })

      it('holds uploads that are under way at once to the quota together', async () => {
        const MB = 1_000_000
        await storage.setQuota('ann', { maxBytes: 10 * MB, maxInodes: null })
        const { ino } = await file('f', 'x'.repeat(MB))
        const known = { size: 6 * MB, replaces: 'nothing' } as const
        const one = await tree.upload(known)
        await refused('EDQUOT', tree.upload(known))
        // of what is replaced, only the rest counts
        const two = await tree.upload({ size: 3.9 * MB, replaces: ino })
        await refused('EDQUOT', tree.upload({ size: 2 * MB }))
        await one.abort()
        const three = await tree.upload({ size: 6 * MB })
        await three.write(repeat(Buffer.alloc(MB), 6, { sent: 0 }))
        await three.commit(at('g'), NEW, overwrite, NOBODY)
        await refused('EDQUOT', tree.upload({ size: MB }))
        await two.abort()
        const four = await tree.upload({ size: MB })
        await four.abort()
        // whose size nobody knows
        const [five, six] = [await tree.upload(), await tree.upload()]
        await five.write(repeat(Buffer.alloc(MB), 2, { sent: 0 }))
        await refused('EDQUOT', six.write(repeat(Buffer.alloc(MB), 2, { sent: 0 })))
        await five.abort()
        await six.abort()
        const last = await tree.upload({ size: 3 * MB })
        await last.abort()
        expect((await storage.quota('ann')).bytes).to.equal(7 * MB)
      })

      /** 100 kB a part. */
      async function* partsAt(
        offset: (index: number) => WritePart['offset'],
        count: number,
      ): AsyncGenerator<readonly WritePart[]> {
        for (let index = 0; index < count; index += 1) {
          coming.sent += 1
          yield [{ offset: offset(index), data: Buffer.alloc(100_000, 'y') }]
        }
      }
      const coming = { sent: 0 }
      const appending = (count: number) => partsAt(() => append, count)
      const inARow = (first: number, count: number) =>
        partsAt((index) => first + index * 100_000, count)

      /** A write from the beginning on that ends only when it is let. */
      function held(ino: Ino, count: number) {
        const gate = new EventEmitter()
        const released = once(gate, 'released')
        const parts = async function* () {
          yield* inARow(0, count)
          gate.emit('reached')
          await released
        }
        const reached = once(gate, 'reached')
        const written = tree.write(ino, parts(), overwrite, NOBODY)
        return {
          reached: Promise.race([reached, written]),
          release: () => gate.emit('released'),
          written,
        }
      }

      it('stops a write while it comes, and before it comes where that is known', async () => {
        const { ino } = await file('f', 'x'.repeat(500_000))
        await storage.setQuota('ann', { maxBytes: 1_000_000, maxInodes: null })
        for (const parts of [appending(1000), inARow(300_000, 1000)]) {
          coming.sent = 0
          await refused('EDQUOT', tree.write(ino, parts, overwrite, NOBODY))
          expect(coming.sent).to.be.below(10)
        }
        coming.sent = 0
        const expected = [
          [{ offset: append, length: 500_001 }, {}],
          [{ offset: 300_000, length: 700_001 }, {}],
          [{}, { size: 1_000_001 }],
        ] as const
        for (const [known, changes] of expected) {
          const written = tree.write(ino, appending(9), overwrite, NOBODY, changes, known)
          await refused('EDQUOT', written)
        }
        expect(coming.sent).to.equal(0)
        // what is refused claims nothing
        await tree.write(ino, appending(5), overwrite, NOBODY)
        expect(await storage.quota('ann')).to.include({ bytes: 1_000_000 })
      })

      it('lets bytes be overwritten in place where the quota is used up', async () => {
        const { ino } = await file('f', 'x'.repeat(12_000_000))
        await storage.setQuota('ann', { maxBytes: 11_000_000, maxInodes: null })
        await tree.write(ino, inARow(0, 120), overwrite, NOBODY)
        await refused('EDQUOT', tree.write(ino, inARow(0, 121), overwrite, NOBODY))
        const after = await readBytes(tree, ino)
        expect(after.equals(Buffer.alloc(12_000_000, 'y'))).to.equal(true)
      })

      it('lets wait on the disk as much as the quota, not the same bytes again and again', async () => {
        const { ino } = await file('f', 'x'.repeat(100_000))
        await storage.setQuota('ann', { maxBytes: 10_000_000, maxInodes: null })
        coming.sent = 0
        const again = partsAt(() => 0, 1000)
        await refused('EDQUOT', tree.write(ino, again, overwrite, NOBODY))
        expect(coming.sent).to.be.below(110)
        coming.sent = 0
        const known = { length: 10_000_001 }
        await refused('EDQUOT', tree.write(ino, again, overwrite, NOBODY, {}, known))
        expect(coming.sent).to.equal(0)
        // all writes at once, and what was refused waits no more
        const one = held(ino, 99)
        await one.reached
        await refused('EDQUOT', held(ino, 99).written)
        one.release()
        await one.written
        const three = held(ino, 99)
        three.release()
        expect(await three.written).to.include({ size: 9_900_000 })
      })

      it('holds writes and uploads that are under way at once to the quota together', async () => {
        await storage.setQuota('ann', { maxBytes: 1_000_000, maxInodes: null })
        const { ino } = await file('f')
        const one = held(ino, 6)
        await one.reached
        await refused('EDQUOT', tree.upload({ size: 500_000 }))
        const other = await file('other')
        await refused('EDQUOT', tree.write(other.ino, appending(5), overwrite, NOBODY))
        // the same bytes of the same file grow it once
        const two = held(ino, 6)
        await two.reached
        await tree.write(other.ino, appending(4), overwrite, NOBODY)
        one.release()
        await one.written
        two.release()
        await two.written
        expect(await storage.quota('ann')).to.include({ bytes: 1_000_000 })
        await tree.setAttributes(other.ino, { size: 0 }, overwrite, NOBODY)
        const whole = await tree.upload({ size: 400_000 })
        await whole.abort()
      })

      it('does not count what has just been written twice', async () => {
        const [f, g] = [await file('f'), await file('g')]
        await storage.setQuota('ann', { maxBytes: 500_000, maxInodes: null })
        const change = tree.changes.wait(await tree.changes.newest(), new AbortController().signal)
        const cut = tree.write(f.ino, appending(3), overwrite, NOBODY, { size: 250_000 })
        // it has happened, and what lies beyond the size is still being cut off
        await change
        const data = Buffer.alloc(250_000)
        await tree.write(g.ino, [{ offset: append, data }], overwrite, NOBODY)
        await cut
        expect((await storage.quota('ann')).bytes).to.equal(500_000)
      })

      it('gives back what a write claimed when its source fails, or its condition no longer holds', async () => {
        await storage.setQuota('ann', { maxBytes: 1_000_000, maxInodes: null })
        const { ino } = await file('f')
        const failing = async function* () {
          yield* appending(9)
          throw new FileError('EIO', 'the client went away')
        }
        await refused('EIO', tree.write(ino, failing(), overwrite, NOBODY))
        let asked = 0
        const once = () => {
          asked += 1
          if (asked > 1) throw new FileError('ESTALE', 'changed')
        }
        await refused('ESTALE', tree.write(ino, appending(9), once, NOBODY))
        const upload = await tree.upload({ size: 1_000_000 })
        await upload.abort()
      })

      it('answers statfs(2) numbers within the quota', async () => {
        const free = await tree.totals()
        expect(free.totalBytes).to.be.above(0)
        await file('a', '12345')
        await storage.setQuota('ann', { maxBytes: 10, maxInodes: 7 })
        expect(await tree.totals()).to.deep.equal({
          totalBytes: 10,
          freeBytes: 5,
          totalInodes: 7,
          freeInodes: 5,
        })
      })
    })

    describe('changes', () => {
      it('logs what changed, where, and by which connection', async () => {
        const origin = { connection: 'c1' }
        const before = await tree.changes.newest()
        const a = await tree.make(at('a'), { type: 'file' }, NEW, origin)
        await tree.write(a.ino, [{ offset: 0, data: bytes('x') }], overwrite, NOBODY)
        await tree.setAttributes(a.ino, { mode: 0 }, overwrite, origin)
        await tree.rename(at('a'), at('b'), REPLACE, NOBODY)
        await tree.remove(at('b'), UNLINK, origin)
        const page = await tree.changes.after(before, 100)
        if (page.kind !== 'changes') throw new Error(page.kind)
        expect(page.newest).to.equal(before + 5)
        const root = tree.root
        const common = page.changes.map(({ at: _at, ...change }) => change)
        expect(common).to.deep.equal([
          {
            seq: before + 1,
            ino: a.ino,
            origin: 'c1',
            kind: 'make',
            place: { directory: root, name: 'a' },
          },
          { seq: before + 2, ino: a.ino, kind: 'content', place: { directory: root, name: 'a' } },
          {
            seq: before + 3,
            ino: a.ino,
            origin: 'c1',
            kind: 'attributes',
            place: { directory: root, name: 'a' },
          },
          {
            seq: before + 4,
            ino: a.ino,
            kind: 'rename',
            from: { directory: root, name: 'a' },
            to: { directory: root, name: 'b' },
          },
          {
            seq: before + 5,
            ino: a.ino,
            origin: 'c1',
            kind: 'remove',
            place: { directory: root, name: 'b' },
          },
        ])
      })

      it('knows a change, and what it made, by the name that its connection gave it', async () => {
        const a = await tree.make(at('a'), { type: 'file' }, NEW, NOBODY)
        const named = { connection: 'c1', change: 'x' }
        expect(await tree.changes.made('c1', 'x')).to.equal(undefined)
        const part = { offset: 0, data: bytes('x') }
        const { version } = await tree.write(a.ino, [part], overwrite, named)
        await tree.write(a.ino, [part], overwrite, NOBODY)
        expect(await tree.changes.made('c1', 'x')).to.deep.equal({ version })
        expect(await tree.changes.made('c1', 'y')).to.equal(undefined)
        expect(await tree.changes.made('c2', 'x')).to.equal(undefined)
      })

      it('knows the newest change that a connection has not made itself', async () => {
        const newest = () => ['c1', 'c2'].map((name) => tree.changes.newestOfOthers(name))
        const before = await tree.changes.newest()
        const of = (connection?: string) => (connection === undefined ? NOBODY : { connection })
        const seen: unknown[] = []
        for (const [index, connection] of ['c1', 'c1', 'c2', 'c1', undefined, 'c1'].entries()) {
          await tree.make(at(`f${index}`), { type: 'file' }, NEW, of(connection))
          seen.push(newest().map((seq) => (seq ?? 0) - before))
        }
        expect(seen).to.deep.equal([
          [0, 1],
          [0, 2],
          [3, 2],
          [3, 4],
          [5, 5],
          [5, 6],
        ])
      })

      it('pages, and says so when a number is none of this log', async () => {
        for (const name of ['a', 'b', 'c']) await file(name)
        const newest = await tree.changes.newest()
        const first = await tree.changes.after(newest - 3, 2)
        expect(first.kind === 'changes' && first.changes.map(({ seq }) => seq)).to.deep.equal([
          newest - 2,
          newest - 1,
        ])
        expect(await tree.changes.after(newest, 2)).to.deep.equal({
          kind: 'changes',
          changes: [],
          newest,
        })
        expect((await tree.changes.after(newest + 1, 2)).kind).to.equal('expired')
      })

      it('wakes who waits, for its own tree only, and ends with the signal', async () => {
        const newest = await tree.changes.newest()
        const abort = new AbortController()
        const eve = await storage.tree('eve')
        const woken: string[] = []
        const waiting = tree.changes.wait(newest, abort.signal).then(() => woken.push('ann'))
        const other = eve.changes
          .wait(await eve.changes.newest(), abort.signal)
          .catch(() => woken.push('aborted'))
        await file('a')
        await waiting
        expect(woken).to.deep.equal(['ann'])
        await tree.changes.wait(newest, abort.signal)
        abort.abort()
        await other
        expect(woken).to.deep.equal(['ann', 'aborted'])
      })

      it('lets pass by, without waking, what the connection of who waits has made', async () => {
        const newest = await tree.changes.newest()
        const passed: number[] = []
        const own = { connection: 'mine', passed: (seq: number) => passed.push(seq) }
        const waiting = tree.changes.wait(newest, new AbortController().signal, own)
        await tree.make(at('a'), { type: 'file' }, NEW, { connection: 'mine' })
        await tree.make(at('b'), { type: 'file' }, NEW, { connection: 'mine' })
        await tree.make(at('c'), { type: 'file' }, NEW, { connection: 'another' })
        await tree.make(at('d'), { type: 'file' }, NEW, { connection: 'mine' })
        await waiting
        expect(passed).to.deep.equal([newest + 1, newest + 2])
      })

      it('logs nothing of what did not happen', async () => {
        await file('a')
        const newest = await tree.changes.newest()
        await refused('EEXIST', tree.make(at('a'), { type: 'file' }, NEW, NOBODY))
        await refused('ENOENT', tree.rename(at('x'), at('y'), REPLACE, NOBODY))
        expect(await tree.changes.newest()).to.equal(newest)
      })
    })

    it('is durable when asked to be, for all or for one', async () => {
      const { ino } = await file('f', 'x')
      await Promise.all([storage.durable(), storage.durable(ino), storage.durable()])
      await missing('none')
    })
  })
}

const bytes = (text: string) => Buffer.from(text)

async function* source(text: string | Buffer): AsyncGenerator<Buffer> {
  yield Buffer.from(text)
}

async function* repeat(chunk: Buffer, times: number, count = { sent: 0 }): AsyncGenerator<Buffer> {
  for (; count.sent < times; count.sent += 1) yield chunk
}

/** Creates or replaces a file. */
export async function put(
  tree: Tree,
  target: Place | number,
  content: string | Buffer,
  attributes: { ino?: number } = {},
): Promise<Inode> {
  const upload = await tree.upload()
  await upload.write(source(content))
  const given = { mode: 0o644, uid: 1000, gid: 1000, ...attributes }
  return (await upload.commit(target, given, overwrite, NOBODY)).inode
}

async function readBytes(tree: Tree, ino: number): Promise<Buffer> {
  const content = await tree.open(ino)
  const chunks: Buffer[] = []
  for await (const chunk of content.stream(0, content.inode.size - 1)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export async function read(tree: Tree, ino: number): Promise<string> {
  return String(await readBytes(tree, ino))
}

export const code = (error: unknown) =>
  error instanceof FileError ? error.code : `not a FileError: ${String(error)}`

/** Expects a FileError with this code. */
export async function refused(
  expected: string,
  promise: Promise<unknown>,
  what = '',
): Promise<void> {
  const outcome = await promise.then(() => 'it succeeded', code)
  expect(outcome, what).to.equal(expected)
}

/** The clock goes on by a second. */
function tick({ clock }: Subject): void {
  clock.date = new Date(clock.date.getTime() + 1000)
}
