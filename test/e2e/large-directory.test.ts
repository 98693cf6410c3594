import { readFile, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { expect } from 'chai'
import { makeEntries } from '../support/entries.js'
import { type FileApi, fileApi } from '../support/files.js'
import { login } from '../support/login.js'
import { startServer, type TestServer } from '../support/server.js'
import { memory } from '../support/tree.js'

const SMALL = 1_000
const LARGE = 100_000
const BATCH = 10_000
/** "{": each entry begins with one. */
const OBJECT = 123
/** What the listings may differ by at their peaks: young garbage, not entries (100,000 of them are over 40 MB as JSON alone). */
const MARGIN_MIB = 64

/** Processor time a process has used, in ticks of 10 ms (proc_pid_stat(5): utime and stime). */
async function ticks(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /s, '').split(' ')
  return Number(fields[11]) + Number(fields[12])
}

describe('a directory of 100,000 entries', () => {
  let server: TestServer
  let api: FileApi
  let token = ''

  before(async function () {
    this.timeout(120_000)
    server = await startServer()
    token = (await login(server)).access_token
    api = fileApi(server, token)
  })
  after(async () => {
    await server?.remove()
  })

  /** Lists it, counting the entries and forgetting them; answers how many, and the server's peak in MiB meanwhile. */
  async function list(directory: number): Promise<{ entries: number; peak: number }> {
    // resets VmHWM (proc_pid_clear_refs(5))
    await writeFile(`/proc/${server.pid}/clear_refs`, '5')
    const entries = await new Promise<number>((resolve, reject) => {
      const headers = { Authorization: `Bearer ${token}` }
      const target = new URL(`/inodes/${directory}`, server.issuer)
      request(target, { ca: server.ca, headers }, (response) => {
        let count = 0
        response.on('data', (chunk: Buffer) => {
          for (const byte of chunk) if (byte === OBJECT) count += 1
        })
        response.once('error', reject)
        response.once('end', () => resolve(count))
      })
        .on('error', reject)
        .end()
    })
    return { entries, peak: (await memory(server.pid)).peak }
  }

  it('costs as much per create as a small one, and no more memory to list', async () => {
    const made = async (name: string) => {
      const { headers } = await api.send('POST', `/files/${name}`)
      return Number(JSON.parse(String(headers['coffer-attributes'])).ino)
    }
    const small = await made('small')
    const large = await made('large')
    await makeEntries(api, small, 0, SMALL)
    const cost: number[] = []
    for (let from = 0; from < LARGE; from += BATCH) {
      const before = await ticks(server.pid)
      await makeEntries(api, large, from, BATCH)
      cost.push((await ticks(server.pid)) - before)
    }
    // the first ones also pay for what has to be compiled
    const [, second = 0] = cost
    api.close()
    expect(cost.at(-1), `ticks per 10,000 creates: ${cost}`).to.be.below(2 * second + 20)

    // a process that has made nothing: its memory is what listing takes
    await server.restart()
    await list(small)
    const few = await list(small)
    const many = await list(large)
    expect([few.entries, many.entries]).to.deep.equal([SMALL, LARGE])
    expect(many.peak - few.peak, `${few.peak} and ${many.peak} MiB`).to.be.below(MARGIN_MIB)
  }).timeout(300_000)
})
