import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { connectionOf } from '../../server/wire/connection.js'
import { privateDirectory, replaceFile } from '../atomic-file.js'
import { jsonOrNothing, readIfThere } from '../login/account.js'
import { RUNNING_PROCESS } from '../running-process.js'

/** Who has more mounts at a time than this does without the oldest; of machines that do not come back some may be left. */
const MOST = 100

/** What a mount leaves for the next one, should its process be killed: as whom the server knows it, and how to see that it has ended. */
const RECORD = z.object({
  /** Of which account on which server. */
  account: z.string(),
  /** Proves that the connection is ours. */
  secret: z.string(),
  process: RUNNING_PROCESS,
  /** Folders of journals that it may leave, which are sent before others get its locks. */
  journals: z.array(z.string()),
})
export type ConnectionRecord = z.infer<typeof RECORD>

/** A file for each mount, in a directory for nobody else's eyes. */
export class ConnectionRecords {
  readonly #directory: string

  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, 'connections')
  }

  async add(record: ConnectionRecord): Promise<void> {
    await privateDirectory(this.#directory)
    await replaceFile(this.#file(record), JSON.stringify(record))
    await this.#removeOldest()
  }

  async remove(record: ConnectionRecord): Promise<void> {
    await rm(this.#file(record), { force: true })
  }

  async all(): Promise<ConnectionRecord[]> {
    const texts = await Promise.all((await this.#files()).map(readIfThere))
    return texts.flatMap((text = '') => RECORD.safeParse(jsonOrNothing(text)).data ?? [])
  }

  async #files(): Promise<string[]> {
    const names = await readdir(this.#directory).catch(() => [])
    return names.map((name) => join(this.#directory, name))
  }

  async #removeOldest(): Promise<void> {
    const files = await this.#files()
    if (files.length <= MOST) return
    const ages = await Promise.all(
      files.map(async (file) => ({ file, at: (await stat(file).catch(() => undefined))?.mtimeMs })),
    )
    ages.sort((one, other) => (one.at ?? 0) - (other.at ?? 0))
    for (const { file } of ages.slice(0, -MOST)) await rm(file, { force: true })
  }

  /** The name is no secret. */
  #file({ secret }: ConnectionRecord): string {
    return join(this.#directory, connectionOf(secret))
  }
}
