import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import { errnoOf } from './libc.js'
import { MemoryMount, noFuse } from './memory-mount.js'

const MINUTE = 60_000

/** Invalidations take their way through a queue: asks until it is so; the test's time limit is the only other end. */
const eventually = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await setImmediate()
}

describe('invalidation of what the kernel caches', () => {
  let mount: MemoryMount

  before(function () {
    const reason = noFuse()
    if (reason === undefined) return
    console.warn(reason)
    this.skip()
  })

  beforeEach(async () => {
    mount = await MemoryMount.start({ validMilliseconds: MINUTE, keepCache: true })
    fs.writeFileSync(mount.path('f'), 'before')
  })

  afterEach(async () => {
    await mount?.stop()
  })

  const read = () => fs.readFileSync(mount.path('f'), 'utf8')
  const count = async (operation: string) =>
    (await mount.ask<Record<string, number>>({ kind: 'counts' }))[operation] ?? 0

  it('without one the kernel answers from its caches alone', async () => {
    expect(read()).to.equal('before')
    const [lookups, reads] = [await count('lookup'), await count('read')]
    await mount.ask({ kind: 'change', node: fs.statSync(mount.path('f')).ino, content: 'after!' })
    for (let times = 0; times < 100; times++) expect(read()).to.equal('before')
    expect([await count('lookup'), await count('read')]).to.deep.equal([lookups, reads])
  })

  it('an invalidated inode shows its new pages and attributes', async () => {
    expect(read()).to.equal('before')
    const node = fs.statSync(mount.path('f')).ino
    await mount.ask({ kind: 'change', node, content: 'after and longer' })
    await mount.ask({ kind: 'invalidate-inode', node })
    await eventually(() => read() === 'after and longer')
    expect(fs.statSync(mount.path('f')).size).to.equal(16)
  })

  it('reaches a file that is open and mapped by nobody else', async () => {
    const fd = fs.openSync(mount.path('f'), 'r')
    const first = () => {
      const bytes = Buffer.alloc(6)
      fs.readSync(fd, bytes, 0, 6, 0)
      return bytes.toString()
    }
    expect(first()).to.equal('before')
    const node = fs.fstatSync(fd).ino
    await mount.ask({ kind: 'change', node, content: 'after!' })
    await mount.ask({ kind: 'invalidate-inode', node })
    await eventually(() => first() === 'after!')
    fs.closeSync(fd)
  })

  it('an invalidated entry appears although the kernel knew that it does not exist', async () => {
    expect(errnoOf(() => fs.statSync(mount.path('new')))).to.equal('ENOENT')
    await mount.ask({ kind: 'add-file', name: 'new' })
    expect(errnoOf(() => fs.statSync(mount.path('new')))).to.equal('ENOENT')
    await mount.ask({ kind: 'invalidate-entry', parent: 1, name: 'new' })
    await eventually(() => fs.existsSync(mount.path('new')))
  })

  it('is sent once more where the answer before was so late that the kernel may take it up only now', async () => {
    const stat = () => fs.statSync(mount.path('f'))
    const { ino } = stat()
    const lookups = await count('lookup')
    for (let times = 1; times <= 2; times++) {
      await mount.ask({ kind: 'invalidate-entry', parent: 1, name: 'f' })
      await mount.ask({ kind: 'settled' })
      stat()
      expect(await count('lookup')).to.equal(lookups + times)
    }
    await eventually(async () => stat().ino === ino && (await count('lookup')) === lookups + 3)
    const asked = await count('getattr')
    await mount.ask({ kind: 'invalidate-inode', node: ino })
    await mount.ask({ kind: 'settled' })
    stat()
    expect(await count('getattr')).to.equal(asked + 1)
    await eventually(async () => stat().ino === ino && (await count('getattr')) === asked + 2)
  })

  it('does not take the ground from under a program that stands in the directory', async () => {
    fs.mkdirSync(mount.path('d'))
    // started late, so that it asks getcwd(2) itself
    const script = `echo in; read line; exec "${process.execPath}" -p 'process.cwd()'`
    const program = spawn('sh', ['-c', script], { cwd: mount.path('d') })
    await once(program.stdout, 'data')
    await mount.ask({ kind: 'invalidate-entry', parent: 1, name: 'd' })
    await mount.ask({ kind: 'settled' })
    program.stdin.end('where?\n')
    const [said] = await once(program.stdout, 'data')
    expect(`${said}`).to.equal(`${fs.realpathSync(mount.path('d'))}\n`)
  })

  it('waits for a read of the same file, and nothing else waits with it', async () => {
    fs.writeFileSync(mount.path('other'), '')
    const node = fs.statSync(mount.path('f')).ino
    await mount.ask({ kind: 'change', node, content: 'after!' })
    await mount.ask({ kind: 'invalidate-inode', node })
    await eventually(() => read() === 'after!')
    await mount.ask({ kind: 'invalidate-inode', node })
    await mount.ask({ kind: 'stick', how: 'heeding' })
    const cat = spawn('sh', ['-c', `until false; do cat ${mount.path('f')}; done`], {
      stdio: 'ignore',
      detached: true,
    })
    await mount.ask({ kind: 'stuck' })
    for (let times = 0; times < 20; times++) await mount.ask({ kind: 'invalidate-inode', node })
    await mount.ask({ kind: 'add-file', name: 'new' })
    expect(errnoOf(() => fs.statSync(mount.path('none')))).to.equal('ENOENT')
    await mount.ask({ kind: 'invalidate-entry', parent: 1, name: 'none' })
    fs.writeFileSync(mount.path('other'), 'works')
    await mount.ask({ kind: 'stick', how: 'no' })
    process.kill(-(cat.pid ?? 0), 'SIGKILL')
    await once(cat, 'exit')
    await eventually(() => read() === 'after!')
  })

  it('survives a storm of both while programs work', async () => {
    const node = fs.statSync(mount.path('f')).ino
    const work = spawn('sh', [
      '-ec',
      `cd ${mount.directory}; i=0; while [ $i -lt 200 ]; do echo $i > w$i; cat f w$i > /dev/null; ls > /dev/null; mv w$i v; rm v; i=$((i+1)); done`,
    ])
    const ended = once(work, 'exit')
    let running = true
    void ended.then(() => {
      running = false
    })
    while (running) {
      await mount.ask({ kind: 'invalidate-inode', node })
      await mount.ask({ kind: 'invalidate-inode', node: 1 })
      await mount.ask({ kind: 'invalidate-entry', parent: 1, name: 'f' })
      await mount.ask({ kind: 'invalidate-entry', parent: 1, name: 'v' })
    }
    expect((await ended)[0]).to.equal(0)
  })
})
