import { fileURLToPath } from 'node:url'
import { form, login, type Page, Visitor } from '../support/login.js'
import { run } from '../support/process.js'
import type { TestServer } from '../support/server.js'

const FLOOD = 16
/** Each is at rest first and in the flood then, so that other work on the machine meets both. */
const ROUNDS = 3

/** How long requests for a small file take, at rest and while browsers try passwords without a pause. */
export async function loginFlood(
  server: TestServer,
  line: (cells: readonly string[]) => void,
): Promise<void> {
  const { access_token } = await login(server)
  line(['', 'p50 ms', 'p99 ms'])
  for (let round = 0; round < ROUNDS; round++) {
    const quiet = await latencies(server, access_token)
    let over = false
    let logins = 0
    const flood = Array.from({ length: FLOOD }, async () => {
      const visitor = new Visitor(server.ca)
      const { action, fields: typed } = form(await visitor.get(`${server.issuer}/login`), '/login')
      typed.set('username', 'admin')
      typed.set('password', 'a wrong password')
      while (!over) {
        const page: Page = await visitor.post(action, typed)
        if (page.status >= 500 && page.status !== 503) throw new Error(`login: ${page.status}`)
        logins++
      }
    })
    const busy = await latencies(server, access_token)
    over = true
    await Promise.all(flood)
    line(['small file, at rest', ...quiet])
    line([`small file, ${FLOOD} browsers, ${logins} logins`, ...busy])
  }
}

async function latencies({ issuer, caFile }: TestServer, token: string): Promise<string[]> {
  const script = fileURLToPath(new URL('file-latency.ts', import.meta.url))
  const parameters = ['--import', 'tsx', script, issuer, caFile]
  return (await run(process.execPath, parameters, { input: token })).trim().split(' ')
}
