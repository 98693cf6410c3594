import { form, login, type Page, Visitor } from '../support/login.js'
import type { TestServer } from '../support/server.js'
import { type Connection, connection } from './connection.js'

const READERS = 4
const REQUESTS = 4000
const FLOOD = 16

/** How long requests for a small file take, at rest and while browsers try passwords without a pause. */
export async function loginFlood(
  server: TestServer,
  line: (cells: readonly string[]) => void,
): Promise<void> {
  const { access_token } = await login(server)
  const fields = `Authorization: Bearer ${access_token}\r\n`
  const open = await Promise.all(
    Array.from({ length: READERS }, () => connection(server.issuer, server.ca)),
  )
  await open[0]?.send('PUT', '/files/bench', fields, 'x'.repeat(4096))
  await latencies(open, fields)
  const quiet = await latencies(open, fields)
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
  const busy = await latencies(open, fields)
  over = true
  await Promise.all(flood)
  for (const each of open) each.close()
  line(['', 'p50 ms', 'p99 ms'])
  line(['small file, at rest', ...quiet])
  line([`small file, ${logins} logins at once`, ...busy])
}

async function latencies(open: readonly Connection[], fields: string): Promise<string[]> {
  const taken: number[] = []
  await Promise.all(
    open.map(async (connection) => {
      while (taken.length < REQUESTS) {
        const began = performance.now()
        await connection.send('GET', '/files/bench', fields)
        taken.push(performance.now() - began)
      }
    }),
  )
  taken.sort((a, b) => a - b)
  const at = (part: number) => (taken[Math.floor(taken.length * part)] ?? Number.NaN).toFixed(2)
  return [at(0.5), at(0.99)]
}
