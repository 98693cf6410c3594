// Takes a lock in a process of its own: locker.ts (flock|fcntl) (shared|exclusive) FILE [START LENGTH]
// Prints "locked" or the errno, and holds the lock until its input ends.
import { openSync } from 'node:fs'
import { F_RDLCK, F_WRLCK, flock, LOCK_EX, LOCK_NB, LOCK_SH, setlk } from './libc.js'

const [kind, mode, path = '', start = '0', length = '0'] = process.argv.slice(2)
// No FileHandle: the garbage collector would close it, and let go of the lock.
const fd = openSync(path, 'r+')
try {
  if (kind === 'flock') await flock(fd, (mode === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB)
  else await setlk(fd, mode === 'shared' ? F_RDLCK : F_WRLCK, Number(start), Number(length))
  process.stdout.write('locked\n')
} catch (error) {
  process.stdout.write(`${(error as NodeJS.ErrnoException).code}\n`)
}
process.stdin.resume().once('end', () => process.exit(0))
