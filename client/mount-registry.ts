import { createHash } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { jsonOrNothing, readIfThere } from './account.js'
import { privateDirectory, replaceFile } from './atomic-file.js'

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

  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, 'mounts')
  }

  /** In place of a mount that was on the directory before, and may have died, or live on for files that are open. */
  async add(record: MountRecord): Promise<void> {
    await privateDirectory(this.#directory)
    const former = await this.find(record.directory)
    await replaceFile(this.#recordFile(record.directory), JSON.stringify(record))
    if (former !== undefined && former.socket !== record.socket)
      await rm(former.socket, { force: true })
  }

  /** Leaves alone what has taken the mount's place. */
  async remove({ directory, socket }: MountRecord): Promise<void> {
    const now = await this.find(directory)
    if (now?.socket === socket) await rm(this.#recordFile(directory), { force: true })
    await rm(socket, { force: true })
  }

  async find(directory: string): Promise<MountRecord | undefined> {
    return this.#read(this.#recordFile(directory))
  }

  async all(): Promise<MountRecord[]> {
    const names = await readdir(this.#directory).catch(() => [])
    const files = names.filter((name) => name.endsWith('.json'))
    const records = await Promise.all(files.map((name) => this.#read(join(this.#directory, name))))
    return records
      .filter((record) => record !== undefined)
      .sort((a, b) => (a.directory < b.directory ? -1 : 1))
  }

  /** Beside the records; in a directory of the user's own under /tmp if that path is too long for a socket. */
  async socketPath(directory: string, pid: number): Promise<string> {
    await privateDirectory(this.#directory)
    const path = join(this.#directory, `${mountId(directory)}-${pid}.sock`)
    if (Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) return path
    const fallback = join(tmpdir(), `coffer-${userInfo().uid}`)
    await privateDirectory(fallback)
    return join(fallback, `${mountId(path)}.sock`)
  }

  #recordFile(directory: string): string {
    return join(this.#directory, `${mountId(directory)}.json`)
  }

  async #read(file: string): Promise<MountRecord | undefined> {
    const text = await readIfThere(file)
    return text === undefined ? undefined : RECORD.safeParse(jsonOrNothing(text)).data
  }
}

export function mountId(directory: string): string {
  return createHash('sha256').update(directory).digest('hex').slice(0, 16)
}
