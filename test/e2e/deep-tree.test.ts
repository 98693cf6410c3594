import { readdir } from 'node:fs/promises'
import { expect } from 'chai'
import { fileApi } from '../support/files.js'
import { login } from '../support/login.js'
import { type Machine, machine } from '../support/mount.js'
import { run } from '../support/process.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'

const SLOW = 120_000
const LEVELS = 100
const LONG = 'n'.repeat(200)

describe('a tree deeper than PATH_MAX on the mount', () => {
  let server: TestServer
  let here: Machine

  before(async function () {
    requires(this, 'fuse')
    this.timeout(SLOW)
    server = await startServer()
    here = await machine(server)
    const api = fileApi(server, (await login(server)).access_token)
    const make = async (method: string, target: string): Promise<number> => {
      const { status, headers, body } = await api.send(method, target)
      expect(status, String(body)).to.equal(201)
      return JSON.parse(String(headers['coffer-attributes'])).ino
    }
    let directory = await make('POST', '/files/top')
    for (let level = 0; level < LEVELS; level++) {
      directory = await make('POST', `/inodes/${directory}/${LONG}`)
      await make('PUT', `/inodes/${directory}/file`)
    }
    api.close()
  })
  after(async () => {
    await here?.remove()
    await server?.remove()
  })

  it('is found, archived and removed by programs that go down step by step', async () => {
    const mount = await here.mount()
    const found = await run('find', ['top', '-printf', '%y'], { cwd: mount.directory })
    expect(found.length).to.equal(1 + 2 * LEVELS)
    await run('tar', ['-cf', '/dev/null', 'top'], { cwd: mount.directory })
    await run('rm', ['-rf', 'top'], { cwd: mount.directory })
    expect(await readdir(mount.directory)).to.deep.equal([])
    await mount.unmount()
  }).timeout(SLOW)
})
