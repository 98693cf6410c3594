import { expect } from 'chai'
import { RemoteError } from '../../../../client/remote-error.js'
import { caller, O_WRONLY, ROOT } from '../kernel-calls.js'
import { type Machine, type World, world } from '../local-mount.js'

const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

describe('removing files and directories', () => {
  let earth: World
  let here: Machine
  let logged: string[]

  beforeEach(async () => {
    earth = await world()
    logged = []
    here = await earth.machine({ log: (message) => logged.push(message) }, 'told')
    await here.fs.statfs(ROOT, caller)
    // the first removal shows that this login may remove
    await here.calls.store(ROOT, 'first', 'x')
    await here.calls.list(ROOT)
    await here.fs.unlink(ROOT, 'first', caller)
    here.requests.clear()
  })
  afterEach(() => earth.close())

  /** A directory with files, all of it known. */
  async function filled(name: string, count: number): Promise<number> {
    const { node } = await here.fs.mkdir(ROOT, name, 0o755, caller)
    for (const file of names('f', count)) await here.calls.store(node, file, 'x')
    here.requests.clear()
    return node
  }

  /** Holds what the server is asked to remove until the test lets go. */
  function held(): { letGo: () => void } {
    const hold = { letGo: () => {} }
    const { files } = here
    const removeAll = files.removeAll
    const gate = new Promise<void>((resolve) => {
      hold.letGo = resolve
    })
    files.removeAll = async (removals) => {
      await gate
      return removeAll(removals)
    }
    return hold
  }

  it('lets nobody wait for the server where nothing stands against it', async () => {
    const directory = await filled('d', 3)
    const hold = held()
    for (const name of names('f', 3)) await here.fs.unlink(directory, name, caller)
    await here.fs.rmdir(ROOT, 'd', caller)
    expect((await here.calls.lookup(ROOT, 'd')).node).to.equal(0)
    expect(here.fs.pending().files).to.equal(4)
    hold.letGo()
    await here.fs.drain()
    expect(here.fs.pending().files).to.equal(0)
    const there = await earth.machine()
    expect(await there.calls.list(ROOT)).to.deep.equal([])
  })

  it('asks for many in one go', async () => {
    const directory = await filled('d', 100)
    const hold = held()
    for (const name of names('f', 100)) await here.fs.unlink(directory, name, caller)
    hold.letGo()
    await here.fs.drain()
    // the first one, and what came while it was under way
    expect(here.requests.count('removeAll')).to.equal(3)
  })

  it('gathers what comes fast, as long as nobody waits', async () => {
    const directory = await filled('d', 3)
    const { files } = here
    const removeAll = files.removeAll
    let last: Promise<void> | undefined
    files.removeAll = async (removals) => {
      const outcomes = await removeAll(removals)
      // once the answer was taken in, and before any time has passed
      last ??= (async () => {
        for (let step = 0; step < 100; step++) await undefined
        await here.fs.unlink(directory, 'f2', caller)
      })()
      return outcomes
    }
    await here.fs.unlink(directory, 'f0', caller)
    await here.fs.unlink(directory, 'f1', caller)
    await new Promise(setImmediate)
    await last
    await here.fs.drain()
    expect(here.requests.count('removeAll')).to.equal(2)
  })

  it('changes nothing else before they are done: others see all in order', async () => {
    const directory = await filled('d', 1)
    const hold = held()
    await here.fs.unlink(directory, 'f0', caller)
    let isMade = false
    const made = here.fs.mkdir(ROOT, 'later', 0o755, caller).then(() => {
      isMade = true
    })
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    expect(isMade).to.equal(false)
    hold.letGo()
    await made
    const asked = here.requests.made
    expect(asked.indexOf('remove f0')).to.be.lessThan(asked.indexOf('make later'))
  })

  it('makes a name anew after it was removed', async () => {
    const directory = await filled('d', 1)
    await here.fs.unlink(directory, 'f0', caller)
    await here.calls.store(directory, 'f0', 'new')
    await here.fs.unlink(directory, 'f0', caller)
    await here.calls.create(directory, 'f0', O_WRONLY | 0o200)
    expect(await here.calls.list(directory)).to.deep.equal(['f0'])
  })

  it('shows the time that the server gave the directory, in the end', async () => {
    const directory = await filled('d', 2)
    await here.fs.unlink(directory, 'f0', caller)
    await here.fs.drain()
    const there = await earth.machine()
    const { node } = await there.calls.walk('d')
    const { mtime } = await there.calls.stat(node)
    expect((await here.calls.stat(directory)).mtime).to.deep.equal(mtime)
    expect(here.invalidated).to.include(`inode ${directory} -1`)
  })

  it('knows without asking how many names a file has left', async () => {
    const directory = await filled('d', 1)
    const { node } = await here.calls.lookup(directory, 'f0')
    await here.fs.link(node, directory, 'other', caller)
    here.requests.clear()
    await here.fs.unlink(directory, 'f0', caller)
    expect((await here.calls.stat(node)).nlink).to.equal(1)
    expect(here.requests.count('stat')).to.equal(0)
  })

  it('says in the log what was refused, shows it again, and then waits for the server', async () => {
    const directory = await filled('d', 3)
    here.fault.next = (operation) =>
      operation === 'remove' ? new RemoteError('EACCES', 'not you') : undefined
    await here.fs.unlink(directory, 'f0', caller)
    await here.fs.drain()
    delete here.fault.next
    expect(logged.join()).to.include('still stands')
    expect(here.invalidated).to.include(`entry ${directory} f0`)
    expect((await here.calls.lookup(directory, 'f0')).node).to.not.equal(0)
    here.requests.clear()
    await here.fs.unlink(directory, 'f1', caller)
    expect(here.requests.count('removeAll')).to.equal(0)
    expect(here.requests.count('remove')).to.equal(1)
  })

  it('waits for the server where it must decide: a directory that may not be empty', async () => {
    const there = await earth.machine()
    const made = await there.fs.mkdir(ROOT, 'd', 0o755, caller)
    await here.calls.lookup(ROOT, 'd')
    await there.calls.store(made.node, 'f', 'x')
    const refused = await here.fs.rmdir(ROOT, 'd', caller).catch((error: RemoteError) => error)
    expect(refused).to.have.property('code', 'ENOTEMPTY')
  })

  it('waits for the server while nobody tells what others change', async () => {
    const deaf = await earth.machine()
    await deaf.calls.store(ROOT, 'a', 'x')
    await deaf.calls.store(ROOT, 'b', 'x')
    for (const name of ['a', 'b']) await deaf.fs.unlink(ROOT, name, caller)
    expect(deaf.requests.count('removeAll')).to.equal(0)
  })

  it('has programs wait when too many are under way', async () => {
    const directory = await filled('d', 300)
    const hold = held()
    let done = 0
    const all = (async () => {
      for (const name of names('f', 300)) {
        await here.fs.unlink(directory, name, caller)
        done += 1
      }
    })()
    while (done < 256) await new Promise(setImmediate)
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    expect(done).to.equal(256)
    hold.letGo()
    await all
    expect(await here.calls.list(directory)).to.deep.equal([])
  })
})
