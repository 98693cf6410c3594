import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { type Need, requires } from '../../support/requires.js'
import { type FileServer, startFileServer } from './file-server.js'

const run = promisify(execFile)

/** What other people's programs make of our ranges. */
describe('downloads by', () => {
  const content = randomBytes(3_000_000)
  let server: FileServer
  let file: string
  let url: string
  before(async () => {
    server = await startFileServer()
    await server.send('PUT', '/files/f', { body: content })
    url = `http://127.0.0.1:${server.port}/files/f`
    file = join(server.directory, 'f')
  })
  after(() => server.close())

  const tools: [name: string, program: Need, begun: number, args: () => string[]][] = [
    [
      'curl -C - goes on where they stopped',
      'curl',
      1_000_000,
      () => ['-sSfC', '-', '-o', file, url],
    ],
    ['curl -C - knows that all is there', 'curl', 3_000_000, () => ['-sSC', '-', '-o', file, url]],
    ['wget -c goes on where they stopped', 'wget', 1_000_000, () => ['-qc', '-O', file, url]],
    ['wget -c knows that all is there', 'wget', 3_000_000, () => ['-qc', '-O', file, url]],
    [
      'aria2c -x8 are split and joined',
      'aria2c',
      0,
      () => [
        '-q',
        '-x8',
        '-s8',
        '-k1M',
        '--allow-overwrite',
        '-d',
        server.directory,
        '-o',
        'f',
        url,
      ],
    ],
  ]
  for (const [name, program, begun, args] of tools) {
    it(name, async function () {
      requires(this, program)
      await writeFile(file, content.subarray(0, begun))
      await run(program, args())
      expect((await readFile(file)).equals(content)).to.equal(true)
    })
  }

  it('curl -z fetch nothing that has not changed', async function () {
    requires(this, 'curl')
    const args = [
      '-sSf',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      '-z',
      'Fri, 01 Jan 2100 00:00:00 GMT',
      url,
    ]
    expect((await run('curl', args)).stdout).to.equal('304')
  })

  it('curl -T upload with Expect: 100-continue', async function () {
    requires(this, 'curl')
    await writeFile(file, content)
    const args = ['-sSf', '-H', 'Expect: 100-continue', '-w', '%{http_code}', '-o', '/dev/null']
    const { stdout } = await run('curl', [...args, '-T', file, `${url}-up`])
    expect(stdout).to.equal('201')
    expect((await server.send('GET', '/files/f-up')).body.equals(content)).to.equal(true)
  })
})
