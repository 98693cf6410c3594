import { expect } from 'chai'
import { type Remote, remoteFiles } from '../../../client/remote/remote.js'
import type { RemoteFiles } from '../../../client/remote/remote-files.js'
import { behindProxy } from '../behind-proxy.js'
import { type Connected, codeOf } from '../connected-files.js'
import { type FaultyProxy, faultyProxy } from '../faulty-proxy.js'

/** As from a queue: docs/retries.md. */
describe('what another machine takes before its maker has an answer', () => {
  const line = behindProxy()
  let remote: Connected
  let files: RemoteFiles
  let root: number
  let counter = 0

  beforeEach(async () => {
    remote = line.connected()
    files = remote.files
    root = (await files.root()).ino
  })
  afterEach(() => remote.close())

  const fresh = (): string => `name-${counter++}`
  const at = (name: string) => ({ directory: root, name })
  const put = async (name: string) =>
    files.put(root, name, [Buffer.from('once')], {
      mode: 'create',
      ino: (await files.reserve?.(1)) ?? 0,
      attributes: {},
      durability: 'process',
    })
  const moving = { mode: 'replace', keep: false } as const

  /** The first answer is lost, and nothing more of ours comes through until another machine has taken what came to be there. */
  function loseUntilTaken(
    method: string,
    name: string,
    take: (other: RemoteFiles) => Promise<unknown>,
  ): () => Promise<void> {
    const other = line.connected()
    const takes = async () => {
      while ((await codeOf(other.files.lookup(root, name))) !== 'done')
        await new Promise(setImmediate)
      await take(other.files)
      other.close()
    }
    let [ours, isTaken] = ['', false]
    let taken: Promise<void> | undefined
    line.proxy.fault = (request) => {
      const connection = String(request.headers['coffer-connection'])
      if (taken !== undefined) return connection === ours && !isTaken ? 'cut' : 'pass'
      if (request.method !== method) return 'pass'
      ours = connection
      taken = takes().finally(() => {
        isTaken = true
      })
      return 'lose the answer'
    }
    return async () => taken
  }

  const makes = {
    put,
    mkdir: (name: string) => files.make(root, name, { type: 'directory' }, {}),
    'open with O_EXCL': (name: string) => files.make(root, name, { type: 'file' }, {}),
    symlink: (name: string) => files.make(root, name, { type: 'symlink', target: 't' }, {}),
    link: async (name: string, ino: number) => files.link(ino, root, name),
  }
  for (const [call, make] of Object.entries(makes)) {
    const method = call === 'put' ? 'PUT' : 'POST'

    it(`is made once if it was moved on (${call})`, async () => {
      const [a, b] = [fresh(), fresh()]
      const { ino } = await put(fresh())
      const taken = loseUntilTaken(method, a, (other) => other.rename(at(a), at(b), moving))
      const made = await make(a, ino)
      await taken()
      expect((await files.lookup(root, b)).ino).to.equal(made.ino)
      expect(await codeOf(files.lookup(root, a))).to.equal('ENOENT')
    })

    it(`is made once if it was removed (${call})`, async () => {
      const a = fresh()
      const { ino } = await put(fresh())
      const kind = call === 'mkdir' ? 'rmdir' : 'unlink'
      const taken = loseUntilTaken(method, a, (other) => other.remove(root, a, kind, moving))
      expect((await make(a, ino)).nlink).to.equal(call === 'link' ? 1 : 0)
      await taken()
      expect(await codeOf(files.lookup(root, a))).to.equal('ENOENT')
    })

    it(`is made once if another one stands there (${call})`, async () => {
      const [a, b] = [fresh(), fresh()]
      const { ino } = await put(fresh())
      const taken = loseUntilTaken(method, a, async (other) => {
        await other.rename(at(a), at(b), moving)
        await other.make(root, a, { type: 'fifo' }, {})
      })
      const made = await make(a, ino)
      await taken()
      expect((await files.lookup(root, b)).ino).to.equal(made.ino)
      expect((await files.lookup(root, a)).type).to.equal('fifo')
    })
  }

  it('is not taken for what the same connection made there before (link)', async () => {
    const name = fresh()
    const { ino } = await put(fresh())
    await files.link(ino, root, name)
    await files.remove(root, name, 'unlink', { keep: false })
    let left = 1
    line.proxy.fault = ({ method }) => (method === 'POST' && left-- > 0 ? 'cut' : 'pass')
    await files.link(ino, root, name)
    expect((await files.lookup(root, name)).ino).to.equal(ino)
  })

  it('is known to a mount that comes after it, by its secret and the name of the change', async () => {
    const name = fresh()
    const { ino, version } = await put(name)
    const parts = [{ offset: 'append' as const, data: Buffer.from('x') }]
    await files.write(ino, parts, { durability: 'process', change: 'j1-1' })
    const next = line.connected()
    await next.files.write(ino, parts, { durability: 'process' })
    const made = await next.files.made?.(ino, 'j1-1', remote.secret)
    expect(made).to.include({ version: version + 2, made: version + 1 })
    expect(await next.files.made?.(ino, 'j1-1')).to.equal(undefined)
    expect(await next.files.made?.(ino, 'j1-2', remote.secret)).to.equal(undefined)
    next.close()
  })

  describe('over a channel', () => {
    let tunnels: FaultyProxy
    let channels: Remote
    before(async () => {
      tunnels = await faultyProxy(line.server, 'tunnel')
      const headers = async () => ({ authorization: `Bearer ${line.token}` })
      channels = remoteFiles({
        server: tunnels.url,
        trust: { trust: { kind: 'authority', pem: line.server.ca }, renew: async () => {} },
        credentials: { headers, renewed: headers },
        clock: () => performance.now(),
      })
    })
    after(async () => {
      channels?.close()
      await tunnels?.close()
    })

    for (const [call, make] of Object.entries(makes)) {
      it(`is made once if it was moved on (${call})`, async () => {
        const [a, b] = [fresh(), fresh()]
        const { ino } = await put(fresh())
        const direct = files
        files = channels.files
        await files.stat(ino)
        await files.reserve?.(1)
        const open = tunnels.tunnels.filter(({ client }) => !client.destroyed)
        expect(open).not.to.be.empty
        for (const { client, server: far } of open) far.unpipe(client)
        const making = make(a, ino)
        while ((await codeOf(direct.lookup(root, a))) !== 'done') await new Promise(setImmediate)
        await direct.rename(at(a), at(b), moving)
        for (const { client } of open) client.destroy()
        expect((await direct.lookup(root, b)).ino).to.equal((await making).ino)
        expect(await codeOf(direct.lookup(root, a))).to.equal('ENOENT')
      })
    }
  })

  for (const mode of ['replace', 'noreplace'] as const) {
    it(`is renamed once if it was moved on (${mode})`, async () => {
      const [a, b, c] = [fresh(), fresh(), fresh()]
      const { ino } = await put(a)
      const how = { mode, keep: false }
      const taken = loseUntilTaken('MOVE', b, (other) => other.rename(at(b), at(c), how))
      await files.rename(at(a), at(b), how)
      await taken()
      expect((await files.lookup(root, c)).ino).to.equal(ino)
    })
  }
})
