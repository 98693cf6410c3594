import {
  chmod,
  mkdir,
  readFile,
  rename,
  rmdir,
  stat,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type FileApi, fileApi } from '../support/files.js'
import { login } from '../support/login.js'
import { type Machine, type Mount, machine } from '../support/mount.js'
import { until } from '../support/until.js'
import { type NetworkedServer, networkedServer } from './networked-server.js'

/** The server has done all of it, and neither answer ever comes. */
describe('what takes a name that was removed just before, when both answers are lost', () => {
  let network: NetworkedServer
  let home: Machine
  let mount: Mount
  let direct: FileApi

  before(async function () {
    this.timeout(120_000)
    network = await networkedServer()
    home = await machine(network.server)
    mount = await home.mount()
    const { access_token } = await login(network.server)
    direct = fileApi(network.direct, access_token)
    // the first removal shows that this login may remove
    await writeFile(at('first'), '')
    await unlink(at('first'))
  })
  after(async () => {
    network?.net.become('pass')
    direct?.close()
    await mount?.unmount()
    await home?.remove()
    await network?.net.close()
    await network?.server.remove()
  })

  const at = (name: string) => join(mount.directory, name)
  /** What the server has at that name: its number, or 0. */
  async function inode(name: string): Promise<number> {
    const { status, headers } = await direct.send('HEAD', `/files/${name}`)
    return status === 200 ? JSON.parse(String(headers['coffer-attributes'])).ino : 0
  }

  const FOLLOWERS: Readonly<Record<string, (name: string) => Promise<void>>> = {
    'a file': async (name) => {
      await writeFile(at(name), 'new', { flag: 'wx' })
      expect(await readFile(at(name), 'utf8')).to.equal('new')
    },
    'a directory': async (name) => {
      await mkdir(at(name))
      expect((await stat(at(name))).isDirectory()).to.equal(true)
      await rmdir(at(name))
      await writeFile(at(name), 'new')
    },
    'what is renamed': async (name) => {
      await rename(at(`${name}-other`), at(name))
      expect(await readFile(at(name), 'utf8')).to.equal('new')
    },
  }
  for (const [what, follow] of Object.entries(FOLLOWERS)) {
    for (const loss of ['the connection is cut', 'the server is killed'] as const) {
      it(`stays there: ${what}, ${loss}`, async function () {
        this.timeout(120_000)
        const name = `${what} ${loss}`.replaceAll(' ', '-')
        await writeFile(at(`${name}-other`), 'new')
        await writeFile(at(name), 'old')
        const old = await inode(name)
        network.net.become('mute')
        await unlink(at(name))
        const following = follow(name)
        if (what !== 'what is renamed') {
          await until('the server has done both', async () => ![0, old].includes(await inode(name)))
        }
        await network.lose(loss)
        await following
        const there = await direct.send('GET', `/files/${name}`)
        expect(there.body.toString()).to.equal('new')
      })
    }
  }

  for (const loss of ['the connection is cut', 'the server is killed'] as const) {
    it(`stays set, and is renamed after that: a file, ${loss}`, async function () {
      this.timeout(120_000)
      const name = `set ${loss}`.replaceAll(' ', '-')
      await writeFile(at(name), 'x')
      network.net.become('mute')
      await utimes(at(name), 1, 1)
      await chmod(at(name), 0o640)
      const renaming = rename(at(name), at(`${name}-2`))
      await until('the server has done all', async () => (await inode(`${name}-2`)) !== 0)
      await network.lose(loss)
      await renaming
      const { headers } = await direct.send('HEAD', `/files/${name}-2`)
      const { mode, mtime } = JSON.parse(String(headers['coffer-attributes']))
      expect([mode, mtime]).to.deep.equal([0o640, '1000000000'])
      const here = await stat(at(`${name}-2`))
      expect([here.mode & 0o777, here.mtimeMs]).to.deep.equal([0o640, 1000])
    })
  }
})
