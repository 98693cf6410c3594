import { expect } from 'chai'
import { O_RDONLY } from '../../../../client/fs/open-files/handles.js'
import { caller, ROOT } from '../kernel-calls.js'
import { type Machine, type World, world } from '../local-mount.js'

const PIECE = 128 << 10

describe('the memory for what is read ahead', () => {
  let earth: World
  let here: Machine
  let there: Machine

  beforeEach(async () => {
    earth = await world()
    here = await earth.machine({ readBytes: 1 << 20 }, 'told')
    there = await earth.machine()
  })
  afterEach(() => earth.close())

  async function opened(name: string): Promise<{ node: number; handle: number }> {
    await there.calls.store(ROOT, name, 'x'.repeat(4 << 20))
    const { node } = await here.calls.lookup(ROOT, name)
    return { node, ...(await here.fs.open(node, O_RDONLY, caller)) }
  }

  /** Reads so many pieces. @returns in how many requests */
  async function requests({ node, handle }: Awaited<ReturnType<typeof opened>>, pieces: number) {
    here.requests.clear()
    for (let index = 0; index < pieces; index++) {
      expect(await here.fs.read(node, handle, index * PIECE, PIECE, caller)).to.have.length(PIECE)
    }
    return here.requests.count('read')
  }

  it('is free again once the file that had it was not read for a while', async () => {
    const [first, second] = [await opened('first'), await opened('second')]
    await requests(first, 6)
    expect(await requests(second, 32)).to.equal(32)
    earth.pass(2001)
    expect(await requests(second, 32)).to.be.below(32)
    const { node, handle } = first
    expect(String(await here.fs.read(node, handle, 6 * PIECE, 2, caller))).to.equal('xx')
  })

  it('is no more than the files themselves, whatever came with them', async () => {
    const together = Buffer.alloc(1 << 20, 'x')
    const reader = await earth.machine({}, 'told', {
      readAll: async (inos) =>
        Promise.all(
          inos.map(async (ino, index) => {
            const attributes = await here.files.stat(ino)
            return { attributes, data: together.subarray(index, index + attributes.size) }
          }),
        ),
    })
    for (const name of ['f0', 'f1', 'f2', 'f3', 'f4', 'f5']) {
      await there.calls.store(ROOT, name, 'x'.repeat(9000))
    }
    const shared: string[] = []
    for (const name of await reader.calls.list(ROOT)) {
      const { node } = await reader.calls.lookup(ROOT, name)
      const { handle } = await reader.fs.open(node, O_RDONLY, caller)
      const data = await reader.fs.read(node, handle, 0, 9000, caller)
      expect(data).to.have.length(9000)
      if (data.buffer === together.buffer) shared.push(name)
    }
    expect(shared).to.deep.equal([])
  })

  it('is free again once small files that were fetched were not read for a while', async () => {
    const { node } = await there.fs.mkdir(ROOT, 'small', 0o755, caller)
    const names = Array.from({ length: 64 }, (_, index) => `f${index}`)
    for (const name of names) await there.calls.store(node, name, name.repeat(10_000))
    const directory = (await here.calls.lookup(ROOT, 'small')).node
    await here.calls.list(directory)
    for (const name of ['f0', 'f1', 'f2', 'f3', 'f4', 'f5']) {
      await here.calls.text((await here.calls.lookup(directory, name)).node)
    }
    const long = await opened('long')
    expect(await requests(long, 32)).to.equal(32)
    earth.pass(2001)
    expect(await requests(long, 32)).to.be.below(32)
    for (const name of names) {
      const file = await here.calls.lookup(directory, name)
      expect(await here.calls.text(file.node)).to.equal(name.repeat(10_000))
    }
  })
})
