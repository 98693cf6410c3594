import { type ChildProcess, type ForkOptions, fork } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MountOptions } from '../../../client/fuse/filesystem.js'
import { THREAD_POOL_SIZE } from '../../../client/fuse/kernel.js'
import type { BindingName, Order, Settings } from './hold-memory-mount.js'

const HOLDER = fileURLToPath(new URL('hold-memory-mount.ts', import.meta.url))

const OPTIONS: MountOptions = {
  fsname: 'memory',
  subtype: 'coffer-test',
  readOnly: false,
  noExec: false,
  allowOther: false,
  defaultPermissions: true,
}

export interface Wanted {
  readonly directory?: string
  readonly binding?: BindingName
  readonly options?: Partial<MountOptions>
  readonly validMilliseconds?: number
  readonly keepCache?: boolean
  readonly directIo?: boolean
  readonly threads?: number
  readonly user?: { uid: number; gid: number }
}

/** Why there can be no mount here; tests say so aloud and are skipped. */
export function noFuse(): string | undefined {
  try {
    accessSync('/dev/fuse')
    return undefined
  } catch {
    return 'SKIPPED: there is no /dev/fuse here, so nothing of the mount is tested'
  }
}

export const newDirectory = (): string => mkdtempSync(join(tmpdir(), 'coffer-fuse-'))

/** A mount of the memory file system, held by a process of its own. */
export class MemoryMount {
  readonly directory: string
  readonly process: ChildProcess
  /** Settles with the exit status when the process has ended. */
  readonly exited: Promise<number | null>
  #nextId = 1

  static async start(wanted: Wanted = {}): Promise<MemoryMount> {
    const directory = wanted.directory ?? newDirectory()
    const settings: Settings = {
      directory,
      binding: wanted.binding ?? 'kernel',
      options: { ...OPTIONS, ...wanted.options },
      validMilliseconds: wanted.validMilliseconds ?? 0,
      keepCache: wanted.keepCache ?? false,
      directIo: wanted.directIo ?? false,
    }
    const options: ForkOptions = {
      execArgv: ['--import', 'tsx'],
      env: { ...process.env, UV_THREADPOOL_SIZE: String(wanted.threads ?? THREAD_POOL_SIZE) },
      ...wanted.user,
    }
    const child = fork(HOLDER, [JSON.stringify(settings)], options)
    const mount = new MemoryMount(directory, child)
    const [said] = await once(child, 'message')
    if (!said.mounted) throw Object.assign(new Error(said.error.message), said.error)
    return mount
  }

  private constructor(directory: string, child: ChildProcess) {
    this.directory = directory
    this.process = child
    this.exited = once(child, 'exit').then(([code]) => code)
    child.setMaxListeners(0)
  }

  path(...names: string[]): string {
    return join(this.directory, ...names)
  }

  async ask<Result = unknown>(order: Order): Promise<Result> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      const hear = (said: { id: number; result: Result; error?: { message: string } }) => {
        if (said.id !== id) return
        this.process.off('message', hear)
        if (said.error === undefined) resolve(said.result)
        else reject(Object.assign(new Error(said.error.message), said.error))
      }
      this.process.on('message', hear)
      void this.exited.then((code) => reject(new Error(`the mount has ended (${code})`)))
      this.process.send({ id, order }, (error) => error && reject(error))
    })
  }

  /** Unmounts, waits for the end, and removes the directory; throws if the file system met an error without errno. */
  async stop(): Promise<void> {
    const { failures } = await this.ask<{ failures: string[] }>({ kind: 'counts' })
    await this.ask({ kind: 'unmount', lazy: true })
    await this.exited
    rmdirSync(this.directory)
    if (failures.length > 0) throw new Error(failures.join('\n'))
  }
}
