import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { machine } from '../support/mount.js'
import { run } from '../support/process.js'
import { until } from '../support/until.js'
import { type Locker, locker } from './locker.js'
import { twoMachines } from './two-machines.js'

const COUNTER = fileURLToPath(new URL('counter.py', import.meta.url))
const python = (program: string) => run('python3', ['-c', program])

/** How programs take a lock file, and give it back. */
const LOCK_FILES: readonly [what: string, [take: string, giveBack: string]][] = [
  ['mkdir(2)', ['os.mkdir("lock")', 'os.rmdir("lock")']],
  [
    'open(2) with O_EXCL',
    ['os.close(os.open("lock", os.O_CREAT | os.O_EXCL))', 'os.unlink("lock")'],
  ],
  ['link(2)', ['os.link("mine", "lock")', 'os.unlink("lock")']],
]

/** A program that counts to 60 together with others. */
function counting(directory: string, take: string, giveBack: string): string {
  return `
import os
os.chdir("${directory}")
for _ in range(60):
    while True:
        try:
            ${take}
            break
        except FileExistsError:
            pass
    with open("number") as file: number = int(file.read())
    with open("number", "w") as file: file.write(str(number + 1))
    ${giveBack}
`
}

/** Two machines, each with a mount of its own, and a program on each. */
describe('locks between machines', () => {
  const two = twoMachines('locks')
  const { machines, programs, at, newFile, program } = two

  it('flock: an exclusive lock keeps the other machine out', async () => {
    const file = newFile()
    const [one, other] = [await program(0, file), await program(1, file)]
    expect(await one.ask('flock', 'f', 'exclusive', 'now')).to.equal('ok')
    expect(await other.ask('flock', 'f', 'exclusive', 'now')).to.equal('EAGAIN')
    expect(await other.ask('flock', 'f', 'shared', 'now')).to.equal('EAGAIN')
    expect(await one.ask('flock', 'f', 'none', 'now')).to.equal('ok')
    expect(await other.ask('flock', 'f', 'exclusive', 'now')).to.equal('ok')
    expect(await one.ask('flock', 'f', 'shared', 'now')).to.equal('EAGAIN')
  })

  it('flock: shared locks go together', async () => {
    const file = newFile()
    const [one, other] = [await program(0, file), await program(1, file)]
    expect(await one.ask('flock', 'f', 'shared', 'now')).to.equal('ok')
    expect(await other.ask('flock', 'f', 'shared', 'now')).to.equal('ok')
    expect(await other.ask('flock', 'f', 'exclusive', 'now')).to.equal('EAGAIN')
  })

  it('flock: all who wait get the lock when it is let go, one after the other', async () => {
    const file = newFile()
    const [one, other, third] = [
      await program(0, file),
      await program(1, file),
      await program(0, file),
    ]
    expect(await one.ask('flock', 'f', 'exclusive', 'now')).to.equal('ok')
    let holders = 0
    // Who comes first is for the server to say, and not known here: a request may still be on its way to it.
    const got = [other, third].map(async (waiting) => {
      expect(await waiting.ask('flock', 'f', 'exclusive', 'wait')).to.equal('ok')
      expect(++holders).to.equal(1)
      expect(await waiting.ask('size', 'f')).to.equal('0')
      holders -= 1
      expect(await waiting.ask('close', 'f')).to.equal('ok')
    })
    await Promise.all([waits(other), waits(third)])
    expect(await one.ask('close', 'f')).to.equal('ok')
    await Promise.all(got)
  })

  it('fcntl: of many that wait on one machine each gets the lock, and lets go of it at its end', async () => {
    const file = newFile()
    const holder = await program(0, file)
    expect(await holder.ask('fcntl', 'f', 'write', 0, 0, 'now')).to.equal('ok')
    const ended = []
    for (let count = 0; count < 4; count++) {
      const waiting = await program(0, file)
      const answer = waiting.ask('fcntl', 'f', 'write', 0, 0, 'wait')
      await waits(waiting)
      ended.push(answer.then((got) => waiting.kill('SIGKILL').then(() => got)))
    }
    await holder.kill('SIGKILL')
    expect(await Promise.all(ended)).to.deep.equal(['ok', 'ok', 'ok', 'ok'])
    const last = await program(1, file)
    expect(await last.ask('fcntl', 'f', 'write', 0, 0, 'now')).to.equal('ok')
  })

  for (const how of ['flock', 'fcntl'] as const) {
    const take = (way: 'now' | 'wait') =>
      how === 'flock' ? ['flock', 'f', 'exclusive', way] : ['fcntl', 'f', 'write', 0, 0, way]

    it(`${how}: the end of a program lets go, also by kill -9`, async () => {
      const file = newFile()
      const [one, other] = [await program(0, file), await program(1, file)]
      expect(await one.ask(...take('now'))).to.equal('ok')
      const waiting = other.ask(...take('wait'))
      await waits(other)
      await one.kill('SIGKILL')
      expect(await waiting).to.equal('ok')
    })

    it(`${how}: who waits can be killed, and is then in nobody's way`, async () => {
      const file = newFile()
      const [one, other, third] = [
        await program(0, file),
        await program(1, file),
        await program(1, file),
      ]
      expect(await one.ask(...take('now'))).to.equal('ok')
      void other.ask(...take('wait'))
      await waits(other)
      await other.kill('SIGKILL')
      expect(await one.ask('close', 'f')).to.equal('ok')
      expect(await third.ask(...take('wait'))).to.equal('ok')
    })
  }

  it('flock: converting lets the other in', async () => {
    const file = newFile()
    const [one, other] = [await program(0, file), await program(1, file)]
    expect(await one.ask('flock', 'f', 'exclusive', 'now')).to.equal('ok')
    expect(await one.ask('flock', 'f', 'shared', 'now')).to.equal('ok')
    expect(await other.ask('flock', 'f', 'shared', 'now')).to.equal('ok')
    expect(await one.ask('flock', 'f', 'exclusive', 'now')).to.equal('EAGAIN')
  })

  it('fcntl: ranges split and join', async () => {
    const file = newFile()
    const [one, other] = [await program(0, file), await program(1, file)]
    const steps: [program: Locker, command: (string | number)[], answer: string][] = [
      [one, ['fcntl', 'f', 'write', 0, 30, 'now'], 'ok'],
      [other, ['fcntl', 'f', 'write', 10, 10, 'now'], 'EAGAIN'],
      [one, ['fcntl', 'f', 'none', 10, 10, 'now'], 'ok'],
      [other, ['fcntl', 'f', 'write', 10, 10, 'now'], 'ok'],
      [other, ['fcntl', 'f', 'read', 9, 1, 'now'], 'EAGAIN'],
      [other, ['fcntl', 'f', 'read', 20, 1, 'now'], 'EAGAIN'],
      [other, ['fcntl', 'f', 'read', 30, 0, 'now'], 'ok'],
      [one, ['fcntl', 'f', 'read', 20, 10, 'now'], 'ok'],
      [other, ['fcntl', 'f', 'read', 20, 1, 'now'], 'ok'],
      [other, ['test', 'f', 'write', 0, 0], 'write 0 10 0'],
      [other, ['fcntl', 'f', 'none', 10, 10, 'now'], 'ok'],
      [one, ['fcntl', 'f', 'write', 0, 20, 'now'], 'ok'],
      [other, ['test', 'f', 'write', 5, 15], 'write 0 20 0'],
    ]
    for (const [asked, command, answer] of steps) {
      expect(await asked.ask(...command), command.join(' ')).to.equal(answer)
    }
  })

  it('fcntl: closing any descriptor lets go of the locks of the process', async () => {
    const file = newFile()
    const [one, other] = [await program(0, file), await program(1, file)]
    expect(await one.ask('fcntl', 'f', 'write', 0, 0, 'now')).to.equal('ok')
    const path = at(0, file)
    expect(await one.ask('openread', 'g', path)).to.equal('ok')
    expect(await other.ask('fcntl', 'f', 'write', 0, 0, 'now')).to.equal('EAGAIN')
    expect(await one.ask('close', 'g')).to.equal('ok')
    expect(await other.ask('fcntl', 'f', 'write', 0, 0, 'now')).to.equal('ok')
  })

  it('fcntl: so does closing one for reading that was opened before the lock was taken', async () => {
    const file = newFile()
    const [one, other] = [await program(0, file), await program(1, file)]
    const path = at(0, file)
    expect(await one.ask('openread', 'g', path)).to.equal('ok')
    expect(await one.ask('fcntl', 'f', 'write', 0, 0, 'now')).to.equal('ok')
    expect(await one.ask('close', 'g')).to.equal('ok')
    expect(await other.ask('fcntl', 'f', 'write', 0, 0, 'now')).to.equal('ok')
  })

  it('fcntl: locks of an open file (F_OFD_SETLK) go with it', async () => {
    const file = newFile()
    const [one, other] = [await program(0, file), await program(1, file)]
    expect(await one.ask('ofd', 'f', 'write', 0, 0, 'now')).to.equal('ok')
    expect(await other.ask('fcntl', 'f', 'read', 0, 0, 'now')).to.equal('EAGAIN')
    expect(await one.ask('close', 'f')).to.equal('ok')
    expect(await other.ask('fcntl', 'f', 'read', 0, 0, 'wait')).to.equal('ok')
  })

  it('F_GETLK: says who of the same machine is in the way, and that somebody elsewhere is', async () => {
    const file = newFile()
    const [one, near, far] = [
      await program(0, file),
      await program(0, file),
      await program(1, file),
    ]
    expect(await far.ask('test', 'f', 'write', 0, 0)).to.equal('free')
    expect(await one.ask('fcntl', 'f', 'write', 5, 10, 'now')).to.equal('ok')
    expect(await near.ask('test', 'f', 'read', 0, 0)).to.equal(`write 5 10 ${one.pid}`)
    expect(await far.ask('test', 'f', 'read', 0, 0)).to.equal('write 5 10 0')
    expect(await near.ask('test', 'f', 'read', 0, 0)).to.equal(`write 5 10 ${one.pid}`)
    expect(await one.ask('test', 'f', 'read', 0, 0)).to.equal('free')
  })

  it('fcntl: two that would wait for each other for ever: EDEADLK, which Python calls EDEADLOCK', async () => {
    const file = newFile()
    const [one, other] = [await program(0, file), await program(1, file)]
    expect(await one.ask('fcntl', 'f', 'write', 0, 1, 'now')).to.equal('ok')
    expect(await other.ask('fcntl', 'f', 'write', 1, 1, 'now')).to.equal('ok')
    // Whose request is the second to come to the server gets the error; then it lets the first go on.
    const answers = await Promise.all(
      [one, other].map(async (each, index) => {
        const answer = await each.ask('fcntl', 'f', 'write', 1 - index, 1, 'wait')
        if (answer !== 'ok')
          expect(await each.ask('fcntl', 'f', 'none', 0, 0, 'now')).to.equal('ok')
        return answer
      }),
    )
    expect(answers).to.have.members(['ok', 'EDEADLOCK'])
  })

  it('shows what was written under the lock to who has it next, without an fsync', async () => {
    const file = newFile()
    const both = [await program(0, file), await program(1, file)]
    for (let turn = 0; turn < 40; turn++) {
      const mine = both[turn % 2]
      expect(await mine?.ask('fcntl', 'f', 'write', 0, 0, 'wait')).to.equal('ok')
      const expected = turn === 0 ? '=' : `=${String(turn).padStart(6, '0')}`
      expect(await mine?.ask('read', 'f', 0, 6)).to.equal(expected)
      const next = String(turn + 1).padStart(6, '0')
      expect(await mine?.ask('write', 'f', 0, next)).to.equal('ok')
      expect(await mine?.ask('fcntl', 'f', 'none', 0, 0, 'now')).to.equal('ok')
    }
  })

  for (const [what, [take, giveBack]] of LOCK_FILES) {
    it(`shows what was written under a lock file to who makes it next: ${what}`, async () => {
      const directory = newFile()
      await mkdir(at(0, directory))
      await writeFile(at(0, `${directory}/number`), '0')
      await writeFile(at(0, `${directory}/mine`), '')
      await Promise.all(
        ([0, 1] as const).map((on) => python(counting(at(on, directory), take, giveBack))),
      )
      expect(await readFile(at(0, `${directory}/number`), 'utf8')).to.equal('120')
    }).timeout(60_000)
  }

  it('lets two machines count in one SQLite database, and loses no count', async () => {
    const [one, other] = [at(0, ''), at(1, '')]
    await countsTogether(one, other)
  }).timeout(90_000)

  it('loses none with --write-back either: who has the lock next sees everything, and nothing is a conflict', async () => {
    const homes = [await machine(two.server), await machine(two.server)] as const
    try {
      const flags = ['--write-back']
      const [one, other] = [await homes[0].mount({ flags }), await homes[1].mount({ flags })]
      await mkdir(join(one.directory, 'behind'))
      await countsTogether(join(one.directory, 'behind'), join(other.directory, 'behind'))
      // Without fsync(2) the lock alone orders them.
      const file = join(one.directory, 'behind', 'count')
      await writeFile(file, '0000')
      const both = [locker(), locker()]
      programs.push(...both)
      for (const [index, { directory }] of [one, other].entries()) {
        const path = join(directory, 'behind', 'count')
        await until('it is there', () => stat(path).catch(() => undefined))
        expect(await both[index]?.ask('open', 'f', path)).to.equal('ok')
      }
      for (let turn = 0; turn < 20; turn++) {
        const program = both[turn % 2]
        expect(await program?.ask('flock', 'f', 'exclusive', 'wait')).to.equal('ok')
        const count = String(turn).padStart(4, '0')
        expect(await program?.ask('read', 'f', 0, 4)).to.equal(`=${count}`)
        const next = String(turn + 1).padStart(4, '0')
        expect(await program?.ask('write', 'f', 0, next)).to.equal('ok')
        expect(await program?.ask('flock', 'f', 'none', 'now')).to.equal('ok')
      }
      for (const program of both) await program.kill('SIGKILL')
      for (const home of homes) {
        const { mounts } = await home.status()
        expect(mounts[0]?.conflicts).to.include({ overwritten: 0, copies: 0 })
      }
      await one.unmount()
      await other.unmount()
    } finally {
      for (const home of homes) await home.remove()
    }
  }).timeout(180_000)

  /** Four programs on two machines, 25 times each. */
  async function countsTogether(one: string, other: string): Promise<void> {
    const [database, same] = [join(one, 'counter.sqlite'), join(other, 'counter.sqlite')]
    const schema =
      'CREATE TABLE counter (value); INSERT INTO counter VALUES (0); CREATE TABLE log (n UNIQUE, text);'
    await python(`import sqlite3; sqlite3.connect('${database}').executescript('''${schema}''')`)
    await until('it is there', () => stat(same).catch(() => undefined))
    const count = (path: string) => run('python3', [COUNTER, path, '25'])
    const checks = await Promise.all([count(database), count(same), count(database), count(same)])
    expect(checks).to.deep.equal(['ok\n', 'ok\n', 'ok\n', 'ok\n'])
    const read = `import sqlite3; print(sqlite3.connect('${same}').execute('SELECT value, (SELECT count(*) FROM log) FROM counter').fetchone())`
    expect(await python(read)).to.equal('(100, 100)\n')
  }

  it('keeps the locks of all when the server is killed and started again', async () => {
    const [file, free] = [newFile(), newFile()]
    const [one, other] = [await program(0, file), await program(1, file)]
    expect(await one.ask('open', 'g', at(0, free))).to.equal('ok')
    expect(await one.ask('fcntl', 'f', 'write', 0, 10, 'now')).to.equal('ok')
    expect(await other.ask('fcntl', 'f', 'write', 10, 10, 'now')).to.equal('ok')
    const waiting = other.ask('fcntl', 'f', 'write', 0, 1, 'wait')
    await waits(other)
    await two.server.stop('SIGKILL')
    await two.server.restart()
    expect(await one.ask('flock', 'g', 'exclusive', 'now')).to.equal('ok')
    expect(await one.ask('test', 'f', 'write', 0, 0)).to.equal('write 10 10 0')
    expect(await one.ask('write', 'f', 0, 'still-mine')).to.equal('ok')
    expect(await one.ask('fcntl', 'f', 'none', 0, 10, 'now')).to.equal('ok')
    expect(await waiting).to.equal('ok')
    expect(await other.ask('read', 'f', 0, 10)).to.equal('=still-mine')
  })

  it('takes the locks of mounts that are gone or cut off when their lease is over', async () => {
    const [gone, cutOff] = [newFile(), newFile()]
    const [killed, stopped] = await Promise.all([machine(two.server), machine(two.server)])
    machines.push(killed, stopped)
    const lonely = [await killed.mount(), await stopped.mount()] as const
    const pids = [await lonely[0].pid(), await lonely[1].pid()] as const
    const [lost, one] = [locker(), locker()]
    programs.push(lost, one)
    expect(await lost.ask('open', 'f', join(lonely[0].directory, gone))).to.equal('ok')
    expect(await one.ask('open', 'f', join(lonely[1].directory, cutOff))).to.equal('ok')
    expect(await lost.ask('flock', 'f', 'exclusive', 'now')).to.equal('ok')
    expect(await one.ask('fcntl', 'f', 'write', 0, 0, 'now')).to.equal('ok')
    const [heir, other] = [await program(1, gone), await program(1, cutOff)]
    expect(await heir.ask('flock', 'f', 'exclusive', 'now')).to.equal('EAGAIN')
    expect(await one.ask('write', 'f', 0, 'before')).to.equal('ok')
    expect(await one.ask('sync', 'f')).to.equal('ok')
    expect(await one.ask('write', 'f', 10, 'unsent')).to.equal('ok')

    process.kill(pids[0], 'SIGKILL')
    process.kill(pids[1], 'SIGSTOP')
    const inherited = heir.ask('flock', 'f', 'exclusive', 'wait')
    expect(await other.ask('fcntl', 'f', 'write', 0, 0, 'wait')).to.equal('ok')
    expect(await other.ask('write', 'f', 0, 'theirs')).to.equal('ok')
    expect(await other.ask('sync', 'f')).to.equal('ok')
    expect(await inherited).to.equal('ok')

    // It finds out before it shows what is there now, writes nothing over that, and the program is told.
    const found = one.ask('read', 'f', 0, 6)
    process.kill(pids[1], 'SIGCONT')
    expect(await found).to.equal('EIO')
    expect(await one.ask('sync', 'f')).to.equal('EIO')
    expect(await one.ask('write', 'f', 0, 'mine')).to.equal('EIO')
    expect(await other.ask('read', 'f', 0, 6)).to.equal('=theirs')
    await one.ask('close', 'f')
    expect(await one.ask('open', 'f', join(lonely[1].directory, cutOff))).to.equal('ok')
    expect(await one.ask('read', 'f', 0, 6)).to.equal('=theirs')
  }).timeout(90_000)
})

/** Resolves once the program is asleep in its system call; the server may not have heard of it yet. */
async function waits(program: Locker): Promise<void> {
  await until('the program waits for a lock', async () => {
    const [call] = (await readFile(`/proc/${program.pid}/syscall`, 'utf8')).split(' ')
    return LOCK_CALLS.has(Number(call))
  })
}

/** fcntl(2) and flock(2), on x86-64 and elsewhere (asm-generic/unistd.h). */
const LOCK_CALLS = new Set(process.arch === 'x64' ? [72, 73] : [25, 32])
