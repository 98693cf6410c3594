/** Servers in processes of their own, over one database. */
import { fileURLToPath } from 'node:url'
import { type Running, start } from '../../support/process.js'

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
