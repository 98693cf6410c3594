import { createHash } from 'node:crypto'
import { lstat, rm } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { privateDirectory, replaceFile } from '../atomic-file.js'
import { jsonOrNothing, namesIfThere, readIfThere } from '../login/account.js'

/** What the kernel shows a mount as (man 8 mount.fuse3): of the type "fuse.coffer". */
export const SUBTYPE = 'coffer'

/** What a running mount leaves in the state directory, so that commands find it. */
const RECORD = z.object({
  directory: z.string(),
  server: z.string(),
  pid: z.number(),
  socket: z.string(),
  log: z.string().optional(),
})
export type MountRecord = z.infer<typeof RECORD>

/** sockaddr_un has room for 108 bytes with the NUL (man 7 unix); macOS for 104. */
const LONGEST_SOCKET_PATH = 100

export class MountRegistry {
  readonly #directory: string
  /** Where a record is for which the disk of the state directory has no room. */
  readonly #elsewhere: string

  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, 'mounts')
    this.#elsewhere = join(temporary(), mountId(this.#directory))
  }

  /** In place of a mount that was on the directory before, and may have died, or live on for files that are open. */
  async add(record: MountRecord): Promise<'kept' | 'kept in /tmp'> {
    await privateDirectory(this.#directory)
    const former = await this.find(record.directory)
    const where = await this.#write(record)
    if (former !== undefined && former.socket !== record.socket)
      await rm(former.socket, { force: true })
    return where
  }

  async #write(record: MountRecord): Promise<'kept' | 'kept in /tmp'> {
    const [here, elsewhere] = this.#recordFiles(record.directory)
    const text = JSON.stringify(record)
    try {
      await replaceFile(here, text)
      await rm(elsewhere, { force: true })
      return 'kept'
    } catch (cause) {
      await privateDirectory(this.#elsewhere)
      if (!(await isOurs(this.#elsewhere))) throw cause
      await replaceFile(elsewhere, text)
      await rm(here, { force: true })
      return 'kept in /tmp'
    }
  }

  /** Leaves alone what has taken the mount's place. */
  async remove({ directory, socket }: MountRecord): Promise<void> {
    const now = await this.find(directory)
    if (now?.socket === socket) {
      for (const file of this.#recordFiles(directory)) await rm(file, { force: true })
    }
    await rm(socket, { force: true })
  }

  async find(directory: string): Promise<MountRecord | undefined> {
    const [here, elsewhere] = this.#recordFiles(directory)
    const found = await this.#read(here)
    if (found !== undefined || !(await isOurs(this.#elsewhere))) return found
    return this.#read(elsewhere)
  }

  async all(): Promise<MountRecord[]> {
    const files = await recordsIn(this.#directory)
    if (await isOurs(this.#elsewhere)) files.push(...(await recordsIn(this.#elsewhere)))
    const records = await Promise.all(files.map((file) => this.#read(file)))
    return records
      .filter((record) => record !== undefined)
      .sort((a, b) => (a.directory < b.directory ? -1 : 1))
  }

  /** Beside the records; in a directory of the user's own under /tmp if that path is too long for a socket. */
  async socketPath(directory: string, pid: number): Promise<string> {
    await privateDirectory(this.#directory)
    const path = join(this.#directory, `${mountId(directory)}-${pid}.sock`)
    if (Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) return path
    const fallback = temporary()
    await privateDirectory(fallback)
    return join(fallback, `${mountId(path)}.sock`)
  }

  #recordFiles(directory: string): [here: string, elsewhere: string] {
    const name = `${mountId(directory)}.json`
    return [join(this.#directory, name), join(this.#elsewhere, name)]
  }

  async #read(file: string): Promise<MountRecord | undefined> {
    const text = await readIfThere(file)
    return text === undefined ? undefined : RECORD.safeParse(jsonOrNothing(text)).data
  }
}

function temporary(): string {
  return join(tmpdir(), `coffer-${userInfo().uid}`)
}

async function recordsIn(directory: string): Promise<string[]> {
  const names = await namesIfThere(directory)
  return names.filter((name) => name.endsWith('.json')).map((name) => join(directory, name))
}

/** In /tmp anybody may have made it, or that in which it is, and would have us ask a socket of theirs. */
async function isOurs(directory: string): Promise<boolean> {
  for (const path of [dirname(directory), directory]) {
    const found = await lstat(path).catch(() => undefined)
    if (found?.isDirectory() !== true || found.uid !== userInfo().uid) return false
    if ((found.mode & 0o077) !== 0) return false
  }
  return true
}

export function mountId(directory: string): string {
  return createHash('sha256').update(directory).digest('hex').slice(0, 16)
}
