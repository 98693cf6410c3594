import { expect } from 'chai'
import { codeOf } from '../../../../client/error-of.js'
import { caller, O_EXCL, O_RDONLY, O_WRONLY, ROOT } from '../kernel-calls.js'
import { type Machine, twoMachines, type World } from '../local-mount.js'

const LONG = 3_600_000

/** Resolves once the kernel of a machine was told to drop something. */
async function dropped(machine: Machine, what: string): Promise<void> {
  while (!machine.invalidated.includes(what)) await new Promise(setImmediate)
}

/** Resolves once what the test said was heard. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
}

describe('the mount file system with a stream of changes', () => {
  let earth: World
  let here: Machine
  let there: Machine

  beforeEach(async () => {
    ;({ earth, here, there } = await twoMachines('told'))
    await here.fs.statfs(ROOT, caller)
    await there.fs.statfs(ROOT, caller)
  })
  afterEach(() => earth.close())

  it('believes for long what it knows, and asks nothing again', async () => {
    const { node } = await here.calls.store(ROOT, 'f', 'x')
    await here.calls.list(ROOT)
    earth.pass(60_000)
    here.requests.clear()
    expect((await here.calls.lookup(ROOT, 'f')).validMilliseconds).to.equal(LONG)
    expect((await here.calls.stat(node)).validMilliseconds).to.equal(LONG)
    expect((await here.calls.lookup(ROOT, 'absent')).validMilliseconds).to.equal(LONG)
    expect(await here.calls.list(ROOT)).to.deep.equal(['f'])
    expect(here.requests.made).to.deep.equal([])
  })

  it('hears of a new name, of one that went and of one that moved', async () => {
    const { node } = await here.calls.store(ROOT, 'f', 'x')
    await here.calls.list(ROOT)
    await there.calls.store(ROOT, 'g', 'y')
    await dropped(here, 'entry 1 g')
    expect(await here.calls.list(ROOT)).to.deep.equal(['f', 'g'])
    await there.fs.rename(ROOT, 'g', ROOT, 'h', 0, caller)
    await dropped(here, 'entry 1 h')
    expect((await here.calls.lookup(ROOT, 'g')).node).to.equal(0)
    await there.calls.lookup(ROOT, 'f')
    await there.fs.unlink(ROOT, 'f', caller)
    await dropped(here, 'entry 1 f')
    expect(here.invalidated).to.include(`inode ${node} -1`)
    expect(await here.calls.list(ROOT)).to.deep.equal(['h'])
  })

  describe('in a directory in which others just gave or took names', () => {
    let node: number
    let theirs: number
    let count: number

    beforeEach(async () => {
      ;({ node } = await here.fs.mkdir(ROOT, 'd', 0o755, caller))
      await here.calls.store(node, 'f', 'x')
      theirs = (await there.calls.lookup(ROOT, 'd')).node
      count = 0
    })

    const theyMake = async (name = `theirs ${++count}`) => {
      await there.calls.store(theirs, name, 'y')
      await dropped(here, `entry ${node} ${name}`)
    }
    const found = async () => {
      const entries = [await here.calls.lookup(node, 'f'), await here.calls.lookup(node, 'absent')]
      return entries.map((entry) => entry.validMilliseconds)
    }
    /** How programs try for a name. */
    const TRIES: readonly [what: string, tried: (name: string) => Promise<unknown>][] = [
      ['mkdir', (name) => here.fs.mkdir(node, name, 0o755, caller)],
      [
        'open with O_EXCL',
        async (name) => here.fs.create(node, name, 0o644, O_WRONLY | O_EXCL, caller),
      ],
      ['link', (name) => here.fs.link(4711, node, name, caller)],
      ['symlink', (name) => here.fs.symlink(node, name, 'x', caller)],
      ['rename to it', (name) => here.fs.rename(node, 'none', node, name, 0, caller)],
      ['rename from it', (name) => here.fs.rename(node, name, node, 'none', 1, caller)],
    ]
    const tryFor = (tried: (name: string) => Promise<unknown>, name: string) =>
      tried(name).catch(() => undefined) // who does not get the lock has tried, too

    it('has the kernel believe its names where programs here give none, or gave some a while ago', async () => {
      await theyMake()
      expect(await found(), 'only they give any').to.deep.equal([LONG, LONG])
      await here.fs.mkdir(node, 'ours', 0o755, caller)
      earth.pass(10_000)
      await theyMake()
      expect(await found(), 'each another one').to.deep.equal([LONG, LONG])
    })

    for (const [what, tried] of TRIES) {
      it(`has the kernel ask for each name where a program here just tried for one: ${what}`, async () => {
        await theyMake()
        await tryFor(tried, 'ours')
        expect(await found()).to.deep.equal([0, 0])
        earth.pass(10_000)
        expect(await found(), 'later').to.deep.equal([LONG, LONG])
      })

      it(`has it ask for ten minutes where that was a name they were after as well: ${what}`, async () => {
        await theyMake('lock')
        await tryFor(tried, 'lock')
        earth.pass(10_000)
        expect(await found(), 'they are gone').to.deep.equal([LONG, LONG])
        await theyMake()
        expect(await found(), 'they are there again').to.deep.equal([0, 0])
        earth.pass(600_000)
        await theyMake()
        expect(await found(), 'ten minutes later').to.deep.equal([LONG, LONG])
      })
    }

    it('has it ask where they are after a name that a program here has tried for', async () => {
      await here.fs.mkdir(node, 'lock', 0o755, caller)
      earth.pass(10_000)
      await there.fs.rmdir(theirs, 'lock', caller)
      await dropped(here, `entry ${node} lock`)
      expect(await found()).to.deep.equal([0, 0])
      expect(here.invalidated, 'believed before').to.include(`entry ${node} f`)
    })

    it('takes back what it was let believe before both were after one name', async () => {
      await here.calls.lookup(node, 'absent')
      await theyMake()
      expect(here.invalidated).not.to.include(`entry ${node} f`)
      await theyMake('lock')
      await tryFor((name) => here.fs.mkdir(node, name, 0o755, caller), 'lock')
      expect(here.invalidated).to.include.members([`entry ${node} f`, `entry ${node} absent`])
    })

    it('takes back at its new name what it was let believe of the one before', async () => {
      await theyMake()
      await here.fs.rename(node, 'f', node, 'g', 0, caller)
      expect(here.invalidated).to.include(`entry ${node} g`)
    })
  })

  it('believes no older change of a name that it is told of after its own', async () => {
    const late = await earth.machine({}, 'told, with locks')
    await late.fs.statfs(ROOT, caller)
    let tell = () => {}
    late.fault.quiet = new Promise((resolve) => {
      tell = resolve
    })
    await there.calls.store(ROOT, 'lock', 'theirs', O_WRONLY | O_EXCL)
    await there.fs.unlink(ROOT, 'lock', caller)
    await there.calls.store(ROOT, 'last', 'x')
    const { node } = await late.calls.store(ROOT, 'lock', 'ours', O_WRONLY | O_EXCL)
    tell()
    await dropped(late, 'entry 1 last')
    expect((await late.calls.lookup(ROOT, 'lock')).node).to.equal(node)
    expect(await late.calls.list(ROOT)).to.deep.equal(['last', 'lock'])
  })

  it('hears of new content, and drops the pages of the old', async () => {
    const { node } = await here.calls.store(ROOT, 'f', 'old')
    expect(await here.calls.text(node)).to.equal('old')
    await there.calls.store(ROOT, 'f', 'newer')
    await dropped(here, `inode ${node} 0`)
    expect(await here.calls.text(node)).to.equal('newer')
    expect((await here.calls.stat(node)).size).to.equal(5)
  })

  it('hears of changed attributes', async () => {
    const { node } = await here.calls.store(ROOT, 'f', 'x')
    await here.calls.stat(node)
    const theirs = await there.calls.lookup(ROOT, 'f')
    await there.fs.setattr(theirs.node, { mode: 0o600 }, undefined, caller)
    await dropped(here, `inode ${node} -1`)
    expect((await here.calls.stat(node)).mode).to.equal(0o100600)
  })

  it('is told nothing of its own changes', async () => {
    const { node } = await here.calls.store(ROOT, 'f', 'x')
    await there.calls.store(ROOT, 'last', 'y')
    await dropped(here, 'entry 1 last')
    expect(here.invalidated.filter((what) => what.includes(String(node)))).to.deep.equal([])
    const { handle, keepCache } = await here.fs.open(node, O_RDONLY, caller)
    expect(keepCache).to.equal(true)
    await here.fs.release(node, handle, caller)
  })

  it('believes nothing for long while the stream is away, and forgets what it believed', async () => {
    const alone = await earth.machine({}, 'as the test says')
    const { news, calls, requests, invalidated } = alone
    news.say({ kind: 'connected' })
    await settled()
    await calls.store(ROOT, 'f', 'x')
    expect((await calls.lookup(ROOT, 'f')).validMilliseconds).to.equal(LONG)
    news.say({ kind: 'lost' })
    await settled()
    expect((await calls.lookup(ROOT, 'f')).validMilliseconds).to.be.at.most(1000)
    news.say({ kind: 'reset' }, { kind: 'connected' })
    await dropped(alone, 'entry 1 f')
    earth.pass(1001)
    requests.clear()
    await calls.lookup(ROOT, 'f')
    expect(requests.made).to.include('lookup f')
    expect(invalidated).to.include('entry 1 f')
  })

  it('asks again for what is not there, too, once it may have missed a change', async () => {
    const alone = await earth.machine({}, 'as the test says')
    const { news, calls, invalidated } = alone
    news.say({ kind: 'connected' })
    await settled()
    await calls.list(ROOT)
    expect((await calls.lookup(ROOT, 'absent')).validMilliseconds).to.equal(LONG)
    await calls.list(ROOT)
    news.say({ kind: 'reset' }, { kind: 'connected' })
    await settled()
    expect(invalidated).to.include('entry 1 absent')
  })

  it('takes back, once it may have missed a change, also what it has forgotten and the kernel believes', async () => {
    await there.calls.store(ROOT, 'f', 'x')
    await there.fs.mkdir(ROOT, 'd', 0o755, caller)
    const alone = await earth.machine({}, 'as the test says')
    const { fs, news, calls, invalidated } = alone
    news.say({ kind: 'connected' })
    await settled()
    expect((await calls.lookup(ROOT, 'd')).validMilliseconds).to.equal(LONG)
    const refused = await fs.rename(ROOT, 'f', ROOT, 'd', 0, caller).catch(codeOf)
    expect(refused).to.equal('EISDIR')
    news.say({ kind: 'reset' }, { kind: 'connected' })
    await settled()
    expect(invalidated).to.include('entry 1 d')
  })

  it('believes again what it knew when the stream comes back and has missed nothing', async () => {
    const { news, calls, requests } = await earth.machine({}, 'as the test says')
    news.say({ kind: 'connected' })
    await settled()
    await calls.store(ROOT, 'f', 'x')
    news.say({ kind: 'lost' }, { kind: 'connected' }, { kind: 'told', newest: 1 })
    await settled()
    earth.pass(60_000)
    requests.clear()
    await calls.lookup(ROOT, 'f')
    expect(requests.made).to.deep.equal([])
  })

  it('asks again for a name of which it is told that something else may stand there', async () => {
    const alone = await earth.machine({}, 'as the test says')
    const { news, calls } = alone
    news.say({ kind: 'connected' })
    await settled()
    await there.calls.store(ROOT, 'f', 'theirs')
    const { ino } = await there.files.lookup(ROOT, 'f')
    expect((await calls.lookup(ROOT, 'f')).node).to.equal(ino)
    await there.fs.unlink(ROOT, 'f', caller)
    await there.calls.store(ROOT, 'f', 'another')
    news.say({ kind: 'name', place: { directory: ROOT, name: 'f' } })
    await dropped(alone, 'entry 1 f')
    const { ino: another } = await there.files.lookup(ROOT, 'f')
    expect((await calls.lookup(ROOT, 'f')).node).to.equal(another)
    expect(another).to.not.equal(ino)
  })

  describe('while the stream is interrupted', () => {
    const makes: [what: string, make: (alone: Machine, node: number) => Promise<unknown>][] = [
      ['open(2) with O_EXCL', ({ calls }) => calls.store(ROOT, 'lock', '', O_WRONLY | O_EXCL)],
      ['mkdir(2)', async ({ fs }) => fs.mkdir(ROOT, 'lock', 0o755, caller)],
      ['link(2)', async ({ fs }, node) => fs.link(node, ROOT, 'lock', caller)],
      ['rename(2)', async ({ fs }) => fs.rename(ROOT, 'f', ROOT, 'lock', 0, caller)],
    ]
    for (const [what, make] of makes) {
      it(`${what} returns once it has told what others did before, for that may be under a lock`, async () => {
        const alone = await earth.machine({}, 'as the test says')
        const { news, calls } = alone
        news.say({ kind: 'connected' })
        await settled()
        const { node } = await calls.store(ROOT, 'f', 'x')
        news.say({ kind: 'lost' })
        const begun = performance.now()
        await settled()
        let isMade = false
        const made = make(alone, node).then(() => {
          isMade = true
        })
        await settled()
        news.say({ kind: 'connected' })
        await settled()
        expect(isMade && performance.now() - begun < 1_000).to.equal(false)
        news.say({ kind: 'told', newest: 1 })
        await made
      })
    }

    for (const [what, make] of makes) {
      it(`${what} waits for what it has not told yet as well, where nothing is interrupted`, async () => {
        const alone = await earth.machine({}, 'as the test says')
        const { news, calls } = alone
        news.say({ kind: 'connected' }, { kind: 'told', newest: 1 })
        await settled()
        const { node } = await calls.store(ROOT, 'f', 'x')
        await there.calls.store(ROOT, 'theirs', 'x')
        const begun = performance.now()
        let isMade = false
        const made = make(alone, node).then(() => {
          isMade = true
        })
        await settled()
        expect(isMade && performance.now() - begun < 1_000).to.equal(false)
        news.say({ kind: 'told', newest: Number.MAX_SAFE_INTEGER })
        await made
      })
    }

    for (const [what, make] of makes) {
      it(`${what} waits until the kernel has dropped the attributes and pages that others have changed`, async () => {
        const { node } = await here.calls.store(ROOT, 'f', 'x')
        await there.calls.store(ROOT, 'last', 'x')
        await dropped(here, 'entry 1 last')
        let drop = () => {}
        const isDropped = new Promise<void>((resolve) => {
          drop = resolve
        })
        here.fault.inodesSettled = () => isDropped
        let isMade = false
        const made = make(here, node).then(() => {
          isMade = true
        })
        await settled()
        expect(isMade).to.equal(false)
        drop()
        await made
      })
    }

    it('nothing waits for one that says nothing for longer than a second, and then what was believed for long is asked for', async () => {
      const alone = await earth.machine({}, 'as the test says')
      const { news, fs, calls } = alone
      news.say({ kind: 'connected' })
      await settled()
      const { node: directory } = await fs.mkdir(ROOT, 'd', 0o755, caller)
      await calls.store(directory, 'f', 'x')
      const theirs = await there.calls.walk('d/f')
      await there.fs.setattr(theirs.node, { size: 0 }, undefined, caller)
      await calls.store(ROOT, 'lock', '', O_WRONLY | O_EXCL)
      earth.pass(1001)
      expect((await calls.lookup(directory, 'f')).attributes?.size).to.equal(0)
    })

    it('nothing is believed that was learned before, however long it is away: others may have changed it under a lock', async () => {
      const { news, calls } = await earth.machine(
        { now: () => performance.now() },
        'as the test says',
      )
      news.say({ kind: 'connected' })
      await settled()
      const { node } = await calls.store(ROOT, 'f', 'x')
      news.say({ kind: 'lost' })
      await calls.store(ROOT, 'first', '', O_WRONLY | O_EXCL)
      await calls.lookup(ROOT, 'f')
      const theirs = await there.calls.walk('f')
      await there.fs.setattr(theirs.node, { size: 0 }, undefined, caller)
      await calls.store(ROOT, 'lock', '', O_WRONLY | O_EXCL)
      expect((await calls.stat(node)).size).to.equal(0)
    })

    it('it is asked for at once, and what it then vouches for is still believed', async () => {
      let hurried = 0
      const more = {
        hurryChanges() {
          hurried += 1
          alone.news.say({ kind: 'connected' }, { kind: 'told', newest: Number.MAX_SAFE_INTEGER })
        },
      }
      const alone = await earth.machine({}, 'as the test says', more)
      const { news, fs, calls, requests } = alone
      news.say({ kind: 'connected' }, { kind: 'told', newest: Number.MAX_SAFE_INTEGER })
      await settled()
      await calls.store(ROOT, 'f', 'x')
      news.say({ kind: 'lost' })
      await settled()
      await fs.mkdir(ROOT, 'lock', 0o755, caller)
      expect(hurried).to.equal(1)
      earth.pass(60_000)
      requests.clear()
      await calls.lookup(ROOT, 'f')
      expect(requests.made).to.deep.equal([])
    })

    // A second for each would be longer than a test may take.
    const OFTEN = Array.from({ length: 60 }, (_, index) => `lock ${index}`)

    it('nobody waits once it is away for longer, and each time what was learned before is asked for, by the kernel too', async () => {
      const { news, fs, calls, invalidated } = await earth.machine({}, 'as the test says')
      news.say({ kind: 'connected' })
      await settled()
      const { node } = await calls.store(ROOT, 'f', '')
      news.say({ kind: 'lost' })
      await settled()
      const theirs = await there.calls.walk('f')
      for (const [size, lock] of OFTEN.entries()) {
        await there.fs.setattr(theirs.node, { size }, undefined, caller)
        invalidated.splice(0)
        await fs.mkdir(ROOT, lock, 0o755, caller)
        expect(invalidated).to.include.members(['entry 1 f', `inode ${node} -1`])
        const found = await calls.lookup(ROOT, 'f')
        expect(found.attributes?.size).to.equal(size)
        expect(found.validMilliseconds).to.equal(0)
      }
    })

    it('no answer is kept that was under way when a name was made', async () => {
      const { news, fs, calls, fault } = await earth.machine({}, 'as the test says')
      news.say({ kind: 'connected' })
      await settled()
      const { node } = await calls.store(ROOT, 'f', '')
      news.say({ kind: 'lost' })
      await settled()
      await fs.mkdir(ROOT, 'first', 0o755, caller)
      let arrive = () => {}
      const arrival = new Promise<void>((resolve) => {
        arrive = resolve
      })
      fault.answer = (operation) => (operation === 'lookup' ? arrival : undefined)
      const asked = calls.lookup(ROOT, 'f')
      await settled()
      const theirs = await there.calls.walk('f')
      await there.fs.setattr(theirs.node, { size: 1 }, undefined, caller)
      await fs.mkdir(ROOT, 'lock', 0o755, caller)
      arrive()
      await asked
      expect((await calls.stat(node)).size).to.equal(1)
    })

    it('one that says nothing counts as away until it says what there is to say', async () => {
      const { news, fs, calls, requests } = await earth.machine({}, 'as the test says')
      news.say({ kind: 'connected' }, { kind: 'told', newest: 0 })
      await settled()
      const { node } = await calls.store(ROOT, 'f', '')
      const theirs = await there.calls.walk('f')
      for (const [size, lock] of OFTEN.entries()) {
        await there.fs.setattr(theirs.node, { size }, undefined, caller)
        await fs.mkdir(ROOT, lock, 0o755, caller)
        expect((await calls.lookup(ROOT, 'f')).attributes?.size).to.equal(size)
      }
      news.say({ kind: 'told', newest: 1 })
      await settled()
      expect((await calls.stat(node)).validMilliseconds).to.be.at.most(1000)
      await there.fs.setattr(theirs.node, { size: 1000 }, undefined, caller)
      await fs.mkdir(ROOT, 'lock', 0o755, caller)
      expect((await calls.lookup(ROOT, 'f')).attributes?.size).to.equal(1000)
      news.say({ kind: 'told', newest: Number.MAX_SAFE_INTEGER })
      await settled()
      earth.pass(1001)
      expect((await calls.stat(node)).validMilliseconds).to.equal(LONG)
      earth.pass(60_000)
      requests.clear()
      await calls.stat(node)
      expect(requests.made).to.deep.equal([])
    })

    it('nothing waits for longer than a second, and then what was believed for long is asked for', async () => {
      const alone = await earth.machine({}, 'as the test says')
      const { news, fs, calls, requests } = alone
      news.say({ kind: 'connected' })
      await settled()
      const { node: directory } = await fs.mkdir(ROOT, 'd', 0o755, caller)
      await calls.store(directory, 'f', 'x')
      news.say({ kind: 'lost' })
      await settled()
      const { node } = await there.calls.walk('d/f')
      await there.fs.setattr(node, { size: 0 }, undefined, caller)
      await calls.store(ROOT, 'lock', '', O_WRONLY | O_EXCL)
      earth.pass(1001)
      news.say({ kind: 'connected' })
      await settled()
      requests.clear()
      expect((await calls.lookup(directory, 'f')).attributes?.size).to.equal(0)
      expect(requests.made).to.not.be.empty
    })
  })
})
