import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { run } from './process.js'

/** A real tree of more than 2,000 entries with symlinks: the npm that belongs to this Node. */
export async function realTree(): Promise<{ path: string; entries: number }> {
  const path = join((await run('npm', ['root', '-g'])).trim(), 'npm')
  return { path, entries: (await readdir(path, { recursive: true })).length }
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash)
  return hash.digest('hex')
}

/** How much memory a process has in use now, and had at most, in MiB (proc_pid_status(5)). */
export async function memory(pid: number): Promise<{ now: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const field = (name: string): number =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024)
  return { now: field('VmRSS'), peak: field('VmHWM') }
}
