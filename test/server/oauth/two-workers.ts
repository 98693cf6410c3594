/** Servers in processes of their own, over one database. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { type Running, start } from '../../support/process.js'
import { type World, world } from './fixture.js'

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))

export interface Worker {
  readonly running: Running
  /** As the client `fuse`, unless the form or the fields of the head name another. */
  post(
    form: Readonly<Record<string, string>>,
    path?: string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<WorkerAnswer>
}

export interface WorkerAnswer {
  readonly status: number
  readonly headers: Headers
  /** Empty where it is no JSON. */
  readonly body: Record<string, string>
}

export async function worker(database: string, behindMilliseconds = 0): Promise<Worker> {
  const parameters = ['--import', 'tsx', WORKER, database, `${behindMilliseconds}`]
  const running = start(process.execPath, parameters)
  const [, port] = await running.printed(/port (\d+)/)
  return {
    running,
    async post(form, path = '/token', headers = {}) {
      const body = new URLSearchParams({ client_id: 'fuse', ...form })
      const sent = { method: 'POST', body, headers, redirect: 'manual' } as const
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, sent)
      const text = await answer.text()
      const isJson = answer.headers.get('content-type')?.includes('json')
      return {
        status: answer.status,
        headers: answer.headers,
        body: isJson ? (JSON.parse(text) as Record<string, string>) : {},
      }
    },
  }
}

export interface TwoWorkers {
  readonly database: string
  /** Over the same database, in this process. */
  readonly here: World
  readonly workers: readonly [Worker, Worker]
  close(): Promise<void>
}

/** Their clocks stand still, the second a moment behind: as if all that it does were overtaken by the first. */
export async function twoWorkers(): Promise<TwoWorkers> {
  const directory = await temporaryDirectory('processes')
  const database = join(directory, 'test.db')
  const here = await world({ path: database })
  const workers = [await worker(database), await worker(database, 50)] as const
  return {
    database,
    here,
    workers,
    async close() {
      await Promise.all(workers.map(({ running }) => running.stop('SIGKILL')))
      here.database.close()
      await removeDirectory(directory)
    },
  }
}

/** One request so many times at once, to both by turns. */
export function atOnce(
  workers: readonly [Worker, Worker],
  times: number,
  ...request: Parameters<Worker['post']>
): Promise<WorkerAnswer[]> {
  return Promise.all(
    Array.from({ length: times }, (_, n) => workers[n % 2 === 0 ? 0 : 1].post(...request)),
  )
}
