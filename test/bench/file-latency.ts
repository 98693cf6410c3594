// How long requests for a small file take, in a process of its own, so that whoever makes the load does not delay the clock. Readers
// pause between requests: without that they take the processors themselves, and wait for these.
//
//   node --import tsx test/bench/file-latency.ts ISSUER CA_FILE, the access token on standard input
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { connection } from './connection.js'

const READERS = 4
const PAUSE_MILLISECONDS = 1
const WARM_UP = 1000
const REQUESTS = 8000

const [issuer = '', caFile = ''] = process.argv.slice(2)
const ca = readFileSync(caFile, 'utf8')
const fields = `Authorization: Bearer ${(await text(process.stdin)).trim()}\r\n`
const open = await Promise.all(Array.from({ length: READERS }, () => connection(issuer, ca)))
await open[0]?.send('PUT', '/files/bench', fields, 'x'.repeat(4096))

async function latencies(count: number): Promise<number[]> {
  const taken: number[] = []
  await Promise.all(
    open.map(async (each) => {
      while (taken.length < count) {
        const began = performance.now()
        await each.send('GET', '/files/bench', fields)
        taken.push(performance.now() - began)
        await pause(PAUSE_MILLISECONDS)
      }
    }),
  )
  return taken.sort((a, b) => a - b)
}

await latencies(WARM_UP)
const taken = await latencies(REQUESTS)
for (const each of open) each.close()
const at = (part: number) => (taken[Math.floor(taken.length * part)] ?? Number.NaN).toFixed(2)
process.stdout.write(`${at(0.5)} ${at(0.99)}\n`)
