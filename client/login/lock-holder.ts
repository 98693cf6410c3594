import { randomBytes } from 'node:crypto'
import { readdir, rm, rmdir, stat, unlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { hasEnded, hasProcess, RUNNING_PROCESS, thisProcess } from '../running-process.js'
import { jsonOrNothing, readIfThere } from './account.js'

/** Which lock it is of: one that comes later at the same place is another. */
const HOLDER = z.object({ lock: z.string(), process: RUNNING_PROCESS })

/** Who has a lock that is a directory (man 2 mkdir), in a file beside it with a name of its own: so others see that it was killed. */
export class LockHolder {
  readonly #file: string

  private constructor(file: string) {
    this.#file = file
  }

  /** Undefined where it cannot be said: then the lock lasts until it looks abandoned. */
  static async of(lock: string): Promise<LockHolder | undefined> {
    const file = `${lock}.${randomBytes(6).toString('hex')}`
    const [process_, name] = [await thisProcess(process.pid), await nameOf(lock)]
    if (process_ === undefined || name === undefined) return undefined
    const holder = new LockHolder(file)
    try {
      // Whoever had it before has it no more.
      for (const former of await holdersOf(lock)) await rm(former, { force: true })
      await writeFile(file, JSON.stringify({ lock: name, process: process_ }), { mode: 0o600 })
      return holder
    } catch {
      await holder.remove()
      return undefined
    }
  }

  async remove(): Promise<void> {
    await rm(this.#file, { force: true }).catch(() => {})
  }
}

/** Takes a lock away whose holder has ended for certain. @returns whether there was such a one */
export async function endedHolderRemoved(lock: string): Promise<boolean> {
  const here = await thisProcess(process.pid)
  if (here === undefined) return false
  for (const file of await holdersOf(lock)) {
    const text = await readIfThere(file)
    const holder = text === undefined ? undefined : HOLDER.safeParse(jsonOrNothing(text)).data
    if (holder === undefined || !(await hasEnded(holder.process, here, hasProcess))) continue
    // Of all who see that, the one that removes the file also removes the lock: the others might come so late that it is a new one.
    const isOurs = await unlink(file).then(
      () => true,
      () => false,
    )
    if (!isOurs || (await nameOf(lock)) !== holder.lock) continue
    await rmdir(lock).catch(() => {})
    return true
  }
  return false
}

async function holdersOf(lock: string): Promise<string[]> {
  const names = await readdir(dirname(lock)).catch(() => [])
  const holders = names.filter((name) => name.startsWith(`${basename(lock)}.`))
  return holders.map((name) => join(dirname(lock), name))
}

async function nameOf(lock: string): Promise<string | undefined> {
  const found = await stat(lock, { bigint: true }).catch(() => undefined)
  return found === undefined ? undefined : `${found.ino}/${found.birthtimeNs}`
}
