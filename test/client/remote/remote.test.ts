import { expect } from 'chai'
import type { RemoteFiles } from '../../../client/remote/remote-files.js'
import { behindProxy } from '../behind-proxy.js'
import { type Connected, codeOf } from '../connected-files.js'
import type { Fault } from '../faulty-proxy.js'
import { network } from '../tcp-proxy.js'

const content = (...pieces: string[]) => pieces.map((piece) => Buffer.from(piece))
const process_ = { durability: 'process' } as const

describe('the remote files over HTTP', () => {
  const line = behindProxy()
  let remote: Connected
  let files: RemoteFiles
  let root: number
  let counter = 0

  beforeEach(async () => {
    remote = line.connected()
    files = remote.files
    root = (await files.root()).ino
    line.proxy.carriedOut.length = 0
  })
  afterEach(() => remote.close())

  const fresh = (): string => `name-${counter++}`
  const textOf = async (ino: number): Promise<string> =>
    (await files.read(ino, 0, 1_000)).data.toString()

  /** The first matching request meets the fault, all others pass. */
  function once(method: string, fault: Fault): void {
    let left = 1
    line.proxy.fault = (request) => (request.method === method && left-- > 0 ? fault : 'pass')
  }

  it('puts, reads, writes and lists', async () => {
    const name = `ü %/ ${fresh()}`.replace('/', '-')
    const made = await files.put(root, name, content('hello ', 'world'), {
      mode: 'create',
      attributes: { mode: 0o640, uid: 7, gid: 8, mtime: '1234567890123456789' },
      ...process_,
    })
    expect(made).to.include({ type: 'file', mode: 0o640, uid: 7, gid: 8, size: 11 })
    expect(made.mtime).to.equal('1234567890123456789')
    expect((await files.lookup(root, name)).ino).to.equal(made.ino)
    expect(await textOf(made.ino)).to.equal('hello world')
    expect((await files.read(made.ino, 6, 2)).data.toString()).to.equal('wo')
    expect((await files.read(made.ino, 9, 10)).data.toString()).to.equal('ld')
    expect((await files.read(made.ino, 11, 10)).data.length).to.equal(0)
    expect((await files.read(made.ino, 500, 10)).data.length).to.equal(0)
    const written = await files.write(
      made.ino,
      [
        { offset: 0, data: Buffer.from('J') },
        { offset: 20, data: Buffer.from('!') },
        { offset: 'append', data: Buffer.from('?') },
      ],
      process_,
    )
    expect(written.size).to.equal(22)
    expect(await textOf(made.ino)).to.equal(`Jello world${'\0'.repeat(9)}!?`)
    const names: string[] = []
    for await (const page of files.list(root)) names.push(...page.map((entry) => entry.name))
    expect(names).to.include(name)
    expect((await files.setAttributes(made.ino, { size: 5, mode: 0o600 })).size).to.equal(5)
  })

  it('sends a content in pieces without waiting for the server to acknowledge each', async () => {
    const direct = line.connected({ base: line.server.issuer })
    const { ino } = await files.put(root, fresh(), content('0123456789'), {
      mode: 'create',
      attributes: { mode: 0o600 },
      ...process_,
    })
    const data = Buffer.from('x')
    let quickest = Number.POSITIVE_INFINITY
    // On a busy machine many take as long; of the first few Linux acknowledges each at once.
    for (let round = 0; round < 15 || (round < 300 && quickest >= 35); round += 1) {
      const began = performance.now()
      await direct.files.write(
        ino,
        [
          { offset: 0, data },
          { offset: 5, data },
        ],
        process_,
      )
      if (round >= 5) quickest = Math.min(quickest, performance.now() - began)
    }
    direct.close()
    // Linux acknowledges after 40 ms what it has nothing to send with.
    expect(quickest).to.be.below(35)
  })

  it('makes each type, links, renames, removes', async () => {
    const [a, b, c] = [fresh(), fresh(), fresh()]
    const folder = await files.make(root, a, { type: 'directory' }, { mode: 0o700 })
    expect(folder).to.include({ type: 'directory', mode: 0o700 })
    const link = await files.make(folder.ino, b, { type: 'symlink', target: '../x' }, {})
    expect(link.target).to.equal('../x')
    const pipe = await files.make(folder.ino, c, { type: 'fifo' }, { mode: 0o600 })
    expect((await files.link(pipe.ino, root, c)).nlink).to.equal(2)
    expect(await codeOf(files.remove(root, a, 'rmdir', { keep: false }))).to.equal('ENOTEMPTY')
    expect(await codeOf(files.remove(root, a, 'unlink', { keep: false }))).to.equal('EISDIR')
    expect(await codeOf(files.lookup(root, 'nothing'))).to.equal('ENOENT')
    const noreplace = { mode: 'noreplace', keep: false } as const
    const [from, to] = [
      { directory: folder.ino, name: b },
      { directory: root, name: c },
    ]
    expect(await codeOf(files.rename(from, to, noreplace))).to.equal('EEXIST')
    await files.rename(from, to, { mode: 'exchange', keep: false })
    expect((await files.lookup(root, c)).ino).to.equal(link.ino)
    await files.rename(from, to, { mode: 'replace', keep: false })
    expect((await files.lookup(root, c)).ino).to.equal(pipe.ino)
    await files.remove(root, c, 'unlink', { keep: false })
    await files.remove(folder.ino, c, 'unlink', { keep: false })
    await files.remove(root, a, 'rmdir', { keep: false })
    expect(await codeOf(files.stat(pipe.ino))).to.equal('ESTALE')
  })

  it('seeks holes, makes zeros of ranges and copies them', async () => {
    const { ino } = await files.put(root, fresh(), content('x'.repeat(100_000)), {
      mode: 'create',
      attributes: {},
      ...process_,
    })
    expect(await files.seek(ino, 5, 'data')).to.equal(5)
    expect(await files.seek(ino, 5, 'hole')).to.equal(100_000)
    expect(await files.seek(ino, 100_000, 'data')).to.equal(undefined)
    const longer = await files.zero(ino, { offset: 99_998, length: 2 ** 20, extend: true })
    expect(longer.size).to.equal(99_998 + 2 ** 20)
    const kept = await files.zero(ino, { offset: 1, length: 2 ** 21, extend: false })
    expect(kept).to.include({ size: longer.size, version: longer.version + 1 })
    expect((await files.read(ino, 0, 4)).data.toString()).to.equal('x\0\0\0')
    expect(await files.seek(ino, 500_000, 'data')).to.equal(undefined)
    const other = await files.make(root, fresh(), { type: 'file' }, {})
    const copy = await files.copyRange({ ino, offset: 0 }, { ino: other.ino, offset: 3 }, 2)
    expect(copy.copied).to.equal(2)
    expect(copy.attributes).to.include({ ino: other.ino, size: 5 })
    expect(await textOf(other.ino)).to.equal('\0\0\0x\0')
    const beyond = await files.copyRange({ ino, offset: 2 ** 30 }, { ino: other.ino, offset: 0 }, 2)
    expect(beyond.copied).to.equal(0)
    const overlapping = files.copyRange({ ino, offset: 0 }, { ino, offset: 1 }, 2)
    expect(await codeOf(overlapping)).to.equal('EINVAL')
  })

  it('keeps an open file usable by number until it is released', async () => {
    const name = fresh()
    const { ino } = await files.put(root, name, content('kept'), {
      mode: 'create',
      attributes: {},
      ...process_,
    })
    await files.remove(root, name, 'unlink', { keep: true })
    expect(await textOf(ino)).to.equal('kept')
    await files.release(ino)
    expect(await codeOf(files.read(ino, 0, 4))).to.equal('ESTALE')
  })

  it('makes a file without a name, and names it', async () => {
    const name = fresh()
    const { ino, nlink } = await files.makeNameless(root, { mode: 0o600 })
    expect(nlink).to.equal(0)
    await files.link(ino, root, name)
    expect(await files.lookup(root, name)).to.include({ ino, nlink: 1, mode: 0o600 })
  })

  it('has extended attributes, totals and reserved numbers', async () => {
    const { ino } = await files.make(root, fresh(), { type: 'file' }, {})
    await files.setXattr(ino, 'user.a', Buffer.from([0, 255]), 'create')
    expect(await codeOf(files.setXattr(ino, 'user.a', Buffer.from('x'), 'create'))).to.equal(
      'EEXIST',
    )
    expect(await files.listXattrs(ino)).to.deep.equal(['user.a'])
    expect(await files.getXattr(ino, 'user.a')).to.deep.equal(Buffer.from([0, 255]))
    await files.removeXattr(ino, 'user.a')
    expect(await codeOf(files.getXattr(ino, 'user.a'))).to.equal('ENODATA')
    expect((await files.totals()).total_bytes).to.be.greaterThan(0)
    const first = (await files.reserve?.(10)) ?? 0
    const made = await files.put(root, fresh(), content(''), {
      mode: 'create',
      ino: first,
      attributes: {},
      ...process_,
    })
    expect(made.ino).to.equal(first)
    await files.sync(ino)
  })

  describe('when an answer is lost', () => {
    const put = (name: string, text: string) =>
      files.put(root, name, content(text), { mode: 'create', attributes: {}, ...process_ })

    it('makes a file once and reports no false EEXIST', async () => {
      once('PUT', 'lose the answer')
      const name = fresh()
      expect((await put(name, 'once')).size).to.equal(4)
      expect(line.proxy.carriedOut.filter((line) => line.startsWith('PUT'))).to.have.length(2)
    })

    it('still reports a true EEXIST', async () => {
      const name = fresh()
      await put(name, 'theirs')
      once('PUT', 'lose the answer')
      expect(await codeOf(put(name, 'ours'))).to.equal('EEXIST')
      expect(await textOf((await files.lookup(root, name)).ino)).to.equal('theirs')
    })

    for (const what of [
      { type: 'directory' },
      { type: 'file' },
      { type: 'symlink', target: 't' },
    ] as const) {
      it(`makes a ${what.type} once, and still reports a true EEXIST`, async () => {
        const name = fresh()
        once('POST', 'lose the answer')
        const made = await files.make(root, name, what, {})
        expect(made.type).to.equal(what.type)
        once('POST', 'lose the answer')
        expect(await codeOf(files.make(root, name, what, {}))).to.equal('EEXIST')
      })
    }

    it('makes a hard link once', async () => {
      const { ino } = await put(fresh(), 'x')
      once('POST', 'lose the answer')
      expect((await files.link(ino, root, fresh())).nlink).to.equal(2)
    })

    it('removes once and reports no false ENOENT', async () => {
      const name = fresh()
      await put(name, 'x')
      once('DELETE', 'lose the answer')
      expect(await codeOf(files.remove(root, name, 'unlink', { keep: false }))).to.equal('done')
    })

    it('does not remove what somebody else has put there since', async () => {
      const name = fresh()
      await put(name, 'ours')
      const other = line.connected()
      let left = 1
      line.proxy.fault = (request) => {
        if (request.method !== 'DELETE' || left-- === 0) return 'pass'
        return 'lose the answer'
      }
      const removed = files.remove(root, name, 'unlink', { keep: false })
      while ((await codeOf(other.files.lookup(root, name))) !== 'ENOENT')
        await new Promise(setImmediate)
      const theirs = await other.files.put(root, name, content('theirs'), {
        mode: 'create',
        attributes: {},
        ...process_,
      })
      await removed
      expect((await other.files.lookup(root, name)).ino).to.equal(theirs.ino)
      other.close()
    })

    for (const mode of ['replace', 'noreplace'] as const) {
      it(`renames once (${mode})`, async () => {
        const [a, b] = [fresh(), fresh()]
        const { ino } = await put(a, 'x')
        once('MOVE', 'lose the answer')
        await files.rename(
          { directory: root, name: a },
          { directory: root, name: b },
          { mode, keep: false },
        )
        expect((await files.lookup(root, b)).ino).to.equal(ino)
        expect(await codeOf(files.lookup(root, a))).to.equal('ENOENT')
      })

      it(`still reports what is true of a rename (${mode})`, async () => {
        once('MOVE', 'lose the answer')
        const [from, to] = [
          { directory: root, name: fresh() },
          { directory: root, name: fresh() },
        ]
        expect(await codeOf(files.rename(from, to, { mode, keep: false }))).to.equal('ENOENT')
      })
    }

    it('exchanges once and not back again', async () => {
      const [a, b] = [fresh(), fresh()]
      const [first, second] = [await put(a, '1'), await put(b, '2')]
      once('MOVE', 'lose the answer')
      const options = { mode: 'exchange', keep: false } as const
      await files.rename({ directory: root, name: a }, { directory: root, name: b }, options)
      expect((await files.lookup(root, a)).ino).to.equal(second.ino)
      expect((await files.lookup(root, b)).ino).to.equal(first.ino)
    })

    it('appends once', async () => {
      const { ino } = await put(fresh(), 'a')
      once('PATCH', 'lose the answer')
      await files.write(ino, [{ offset: 'append', data: Buffer.from('b') }], process_)
      expect(await textOf(ino)).to.equal('ab')
    })

    it('appends although the first try never reached the server', async () => {
      const { ino } = await put(fresh(), 'a')
      once('PATCH', 'cut')
      await files.write(ino, [{ offset: 'append', data: Buffer.from('a') }], process_)
      expect(await textOf(ino)).to.equal('aa')
    })

    it('makes zeros once, and copies a range once, though nobody told how much that was', async () => {
      const { ino } = await put(fresh(), '0123456789')
      once('PATCH', 'lose the answer')
      const longer = await files.zero(ino, { offset: 8, length: 4, extend: true })
      expect(longer.size).to.equal(12)
      once('PATCH', 'lose the answer')
      const copy = await files.copyRange({ ino, offset: 0 }, { ino, offset: 12 }, 12)
      expect(copy.copied).to.equal(undefined)
      expect(copy.attributes).to.include({ size: 24, version: longer.version + 1 })
      expect(await textOf(ino)).to.equal('01234567\0\0\0\0'.repeat(2))
      expect(line.proxy.carriedOut.filter((line) => line.startsWith('PATCH'))).to.have.length(2)
    })

    it('sets an extended attribute once', async () => {
      const { ino } = await put(fresh(), 'a')
      once('PUT', 'lose the answer')
      await files.setXattr(ino, 'user.a', Buffer.from('v'), 'create')
      once('DELETE', 'lose the answer')
      await files.removeXattr(ino, 'user.a')
      expect(await files.listXattrs(ino)).to.deep.equal([])
    })
  })

  describe('when the server is in trouble', () => {
    // What a gateway says of files without asking the server is as little worth.
    for (const fault of ['cut', 302, 400, 404, 409, 410, 412, 429, 502, 503, 504, 511] as const) {
      it(`tries again after ${fault}`, async () => {
        let left = 3
        line.proxy.fault = () => (left-- > 0 ? fault : 'pass')
        expect((await files.stat(root)).ino).to.equal(root)
      })
    }

    it('gives up with EIO when its patience is over, and says that the server is away', async () => {
      remote.close()
      remote = line.connected({ patience: 300 })
      line.proxy.fault = () => 'cut'
      expect(await codeOf(remote.files.stat(root))).to.equal('EIO')
      expect(remote.connection.state.kind).to.equal('away')
      line.proxy.fault = () => 'pass'
      expect(await codeOf(remote.files.stat(root))).to.equal('done')
      expect(remote.connection.state.kind).to.equal('connected')
    })

    it('does not wait for ever on a connection that fell silent', async () => {
      remote.close()
      remote = line.connected({ silenceMilliseconds: 200 })
      let left = 1
      line.proxy.fault = () => (left-- > 0 ? 'silence' : 'pass')
      expect((await remote.files.stat(root)).ino).to.equal(root)
    })

    it('stops waiting with EINTR when its caller gives up', async () => {
      line.proxy.fault = () => 'silence'
      const given = new AbortController()
      const waiting = codeOf(files.stat(root, given.signal))
      setImmediate(() => given.abort())
      expect(await waiting).to.equal('EINTR')
    })

    it('fetches no long range that its caller gave up while it connected', async () => {
      const { ino } = await files.put(root, fresh(), content('x'.repeat(1 << 20)), {
        mode: 'create',
        attributes: {},
        ...process_,
      })
      const net = await network(() => Number(new URL(line.proxy.url).port))
      const distant = line.connected({ base: `https://localhost:${net.port}` })
      line.proxy.carriedOut.length = 0
      const given = new AbortController()
      const waiting = codeOf(distant.files.read(ino, 0, 1 << 20, given.signal))
      await net.connected()
      given.abort()
      expect(await waiting).to.equal('EINTR')
      expect(line.proxy.carriedOut).to.deep.equal([])
      distant.close()
      await net.close()
    })

    it('lets no program wait for a connection because of what is read ahead', async () => {
      const long = 300 << 10
      const { ino } = await files.put(root, fresh(), content('x'.repeat(2 * long)), {
        mode: 'create',
        attributes: {},
        ...process_,
      })
      let silenced = 0
      line.proxy.fault = ({ headers }) => {
        if (headers.range?.startsWith('bytes=0-') !== true) return 'pass'
        silenced += 1
        return 'silence'
      }
      const given = new AbortController()
      const ahead = Array.from({ length: 9 }, () => codeOf(files.read(ino, 0, long, given.signal)))
      expect((await files.read(ino, long, long)).data).to.have.length(long)
      expect(silenced).to.be.at.most(6)
      given.abort()
      await Promise.all(ahead)
    })

    it('sends an upload again from its beginning', async () => {
      let left = 2
      line.proxy.fault = (request) => (request.method === 'PUT' && left-- > 0 ? 'cut' : 'pass')
      const big = Array.from({ length: 64 }, (_, piece) => String(piece % 10).repeat(64 * 1024))
      const made = await files.put(root, fresh(), content(...big), {
        mode: 'create',
        attributes: {},
        ...process_,
      })
      expect(made.size).to.equal(64 * 64 * 1024)
      const end = await files.read(made.ino, made.size - 3, 3)
      expect(end.data.toString()).to.equal('333')
    })
  })
})
