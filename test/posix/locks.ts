import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { type Cases, fails } from './errno.js'
import { flock, LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN } from './libc.js'

const LOCKER = fileURLToPath(new URL('locker.ts', import.meta.url))

/** What another process gets when it asks for a lock, and a way to make it let go. */
async function locker(
  ...parameters: string[]
): Promise<[answer: string, done: () => Promise<void>]> {
  const child = spawn(process.execPath, ['--import', 'tsx', LOCKER, ...parameters], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const [answer] = (await once(createInterface(child.stdout), 'line')) as [string]
  const done = async (): Promise<void> => {
    const ended = once(child, 'exit')
    child.stdin.end()
    await ended
  }
  return [answer, done]
}

async function file(dir: string): Promise<string> {
  await writeFile(join(dir, 'a'), 'locked content')
  return join(dir, 'a')
}

/** flock(2), fcntl(2) */
export const lockCases: Cases = {
  'flock: two descriptors of one process exclude each other': async (dir) => {
    const path = await file(dir)
    const [first, second] = [await open(path, 'r'), await open(path, 'r')]
    await flock(first.fd, LOCK_EX | LOCK_NB)
    await fails('EAGAIN', flock(second.fd, LOCK_EX | LOCK_NB))
    await flock(first.fd, LOCK_UN)
    await flock(second.fd, LOCK_EX | LOCK_NB)
    await Promise.all([first.close(), second.close()])
  },
  'flock: shared locks go together': async (dir) => {
    const path = await file(dir)
    const [first, second] = [await open(path, 'r'), await open(path, 'r')]
    await flock(first.fd, LOCK_SH | LOCK_NB)
    await flock(second.fd, LOCK_SH | LOCK_NB)
    await Promise.all([first.close(), second.close()])
  },
  'flock: close lets go': async (dir) => {
    const path = await file(dir)
    const first = await open(path, 'r')
    await flock(first.fd, LOCK_EX | LOCK_NB)
    await first.close()
    const second = await open(path, 'r')
    await flock(second.fd, LOCK_EX | LOCK_NB)
    await second.close()
  },
  'flock: another process is kept out, and let in afterwards': async (dir) => {
    const path = await file(dir)
    const [answer, done] = await locker('flock', 'exclusive', path)
    expect(answer).to.equal('locked')
    const mine = await open(path, 'r')
    await fails('EAGAIN', flock(mine.fd, LOCK_SH | LOCK_NB))
    await done()
    await flock(mine.fd, LOCK_EX | LOCK_NB)
    await mine.close()
  },
  'fcntl: a write lock keeps another process out': async (dir) => {
    const path = await file(dir)
    const [first, firstDone] = await locker('fcntl', 'exclusive', path)
    const [second, secondDone] = await locker('fcntl', 'shared', path)
    await Promise.all([firstDone(), secondDone()])
    expect(first).to.equal('locked')
    expect(second).to.equal('EAGAIN')
  },
  'fcntl: locks on two ranges of one file go together': async (dir) => {
    const path = await file(dir)
    const [first, firstDone] = await locker('fcntl', 'exclusive', path, '0', '4')
    const [second, secondDone] = await locker('fcntl', 'exclusive', path, '4', '4')
    await Promise.all([firstDone(), secondDone()])
    expect([first, second]).to.deep.equal(['locked', 'locked'])
  },
  'fcntl: read locks go together': async (dir) => {
    const path = await file(dir)
    const [first, firstDone] = await locker('fcntl', 'shared', path)
    const [second, secondDone] = await locker('fcntl', 'shared', path)
    await Promise.all([firstDone(), secondDone()])
    expect([first, second]).to.deep.equal(['locked', 'locked'])
  },
  'fcntl: the end of a process lets go': async (dir) => {
    const path = await file(dir)
    const [first, firstDone] = await locker('fcntl', 'exclusive', path)
    await firstDone()
    const [second, secondDone] = await locker('fcntl', 'exclusive', path)
    await secondDone()
    expect([first, second]).to.deep.equal(['locked', 'locked'])
  },
}
