import { expect } from 'chai'
import { fileSystem } from '../../client/fs/operations.js'
import type { CofferFileSystem } from '../../client/fs/options.js'
import { behindProxy } from './behind-proxy.js'
import type { Connected } from './connected-files.js'
import { caller, kernelCalls, ROOT } from './fs/kernel-calls.js'

describe('a listing that a proxy holds back while the directory changes', () => {
  const line = behindProxy()
  let remote: Connected
  let fs: CofferFileSystem
  let calls: ReturnType<typeof kernelCalls>
  let directory: number
  let file: number

  /** A mount whose clock stands still: what it once believes it goes on believing. */
  async function mounted(): Promise<void> {
    remote = line.connected()
    const { changes: _, ...files } = remote.files
    fs = fileSystem(files, { root: await files.root(), now: () => 0 })
    calls = kernelCalls(fs)
  }

  let counter = 0
  beforeEach(async () => {
    await mounted()
    const name = `d${counter++}`
    const made = await fs.mkdir(ROOT, name, 0o755, caller)
    await calls.store(made.node, 'old', 'x')
    await fs.destroy?.()
    remote.close()
    await mounted()
    directory = (await calls.lookup(ROOT, name)).node
    file = (await calls.lookup(directory, 'old')).node
  })
  afterEach(async () => {
    await fs.destroy?.()
    remote.close()
  })

  /** Lists the directory as it is before the change, and hears of it afterwards. */
  async function listedAround(change: () => Promise<unknown> | unknown): Promise<string[]> {
    let letGo = (): void => {}
    const until = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const answered = new Promise<void>((resolve) => {
      line.proxy.fault = ({ method, url }) =>
        method === 'GET' && url?.includes('?limit=') ? { answered: resolve, until } : 'pass'
    })
    const listed = calls.list(directory)
    await answered
    line.proxy.fault = () => 'pass'
    await change()
    letGo()
    return listed
  }

  it('does not hide what was made', async () => {
    const before = await listedAround(() => fs.mkdir(directory, 'new', 0o755, caller))
    expect(before).to.deep.equal(['old'])
    expect((await calls.lookup(directory, 'new')).node).not.to.equal(0)
    expect(await calls.list(directory)).to.deep.equal(['new', 'old'])
  })

  it('does not bring back what was renamed', async () => {
    const before = await listedAround(() =>
      fs.rename(directory, 'old', directory, 'new', 0, caller),
    )
    expect(before).to.deep.equal(['old'])
    expect((await calls.lookup(directory, 'old')).node).to.equal(0)
    expect((await calls.lookup(directory, 'new')).node).to.equal(file)
    expect(await calls.list(directory)).to.deep.equal(['new'])
  })

  it('does not bring back what was removed', async () => {
    const before = await listedAround(() => fs.unlink(directory, 'old', caller))
    expect(before).to.deep.equal(['old'])
    expect((await calls.lookup(directory, 'old')).node).to.equal(0)
    expect(await calls.list(directory)).to.deep.equal([])
  })

  it('does not bring back an old mode', async () => {
    await listedAround(() => fs.setattr(file, { mode: 0o600 }, undefined, caller))
    expect((await calls.stat(file)).mode).to.equal(0o100600)
    expect((await calls.lookup(directory, 'old')).attributes.mode).to.equal(0o100600)
  })
})
