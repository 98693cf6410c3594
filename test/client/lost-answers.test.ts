import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type FileApi, fileApi } from '../support/files.js'
import { login } from '../support/login.js'
import { type Machine, type Mount, machine } from '../support/mount.js'
import { until } from '../support/until.js'
import { type Loss, type NetworkedServer, networkedServer } from './networked-server.js'

const filled = (letter: string) => letter.repeat(100_000)

/** The server has done what the mount asked, and its answer never comes. */
const LOSSES: [flags: string[], ...Loss[]][] = [
  [[], 'the connection is cut', 'the server is killed'],
  [['--write-back'], 'the server is killed'],
]
for (const [flags, ...losses] of LOSSES) {
  describe(`a mount ${flags.join(' ')} whose answer is lost`, () => {
    let network: NetworkedServer
    let home: Machine
    let mount: Mount
    let direct: FileApi

    before(async function () {
      this.timeout(120_000)
      network = await networkedServer()
      home = await machine(network.server)
      mount = await home.mount({ flags })
      const { access_token } = await login(network.server)
      direct = fileApi(network.direct, access_token)
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
    const there = async (name: string) =>
      (await direct.send('GET', `/files/${name}`)).body.toString()
    const versionOf = async (name: string): Promise<number> => {
      const { headers } = await direct.send('HEAD', `/files/${name}`)
      return JSON.parse(String(headers['coffer-attributes'])).version
    }
    const conflicts = async (): Promise<unknown> => {
      return (await mount.status()).conflicts
    }

    async function file(name: string, content: string): Promise<void> {
      await writeFile(at(name), content)
      await home.allSent()
      expect((await there(name)) === content).to.equal(true)
    }

    /** Lets the server do it, and loses what it answers. */
    async function unanswered(
      work: () => Promise<void>,
      isDone: () => Promise<boolean>,
      loses: Loss,
      meanwhile = async () => {},
    ): Promise<void> {
      network.net.become('unanswered')
      const working = work()
      await until('the server has done it', isDone)
      await meanwhile()
      await network.lose(loses)
      await working
      await home.allSent()
    }

    for (const loses of losses) {
      const name = (what: string) => `${what}-${loses.replaceAll(' ', '-')}`

      it(`rewrites a file once, and takes it for nobody else's, when ${loses}`, async function () {
        this.timeout(120_000)
        const rewritten = name('rewritten')
        await file(rewritten, filled('a'))
        const before = await versionOf(rewritten)
        const told = await conflicts()
        await unanswered(
          () => writeFile(at(rewritten), filled('b')),
          async () => (await there(rewritten)) === filled('b'),
          loses,
        )
        expect(await versionOf(rewritten)).to.equal(before + 1)
        expect(await conflicts()).to.deep.equal(told)
        expect((await readFile(at(rewritten), 'utf8')) === filled('b')).to.equal(true)
      })

      it(`appends once when ${loses}`, async function () {
        this.timeout(120_000)
        const log = name('log')
        await file(log, 'one\n')
        await unanswered(
          () => appendFile(at(log), filled('b')),
          async () => (await there(log)).endsWith(filled('b')),
          loses,
        )
        const whole = `one\n${filled('b')}`
        expect((await there(log)) === whole).to.equal(true)
        expect((await readFile(at(log), 'utf8')) === whole).to.equal(true)
      })

      it(`leaves what another machine has written since when ${loses}`, async function () {
        this.timeout(120_000)
        const shared = name('shared')
        await file(shared, filled('a'))
        const told = await conflicts()
        await unanswered(
          () => writeFile(at(shared), filled('b')),
          async () => (await there(shared)) === filled('b'),
          loses,
          async () => {
            const put = await direct.send('PUT', `/files/${shared}`, { body: filled('c') })
            expect(put.status).to.equal(200)
          },
        )
        expect((await there(shared)) === filled('c')).to.equal(true)
        await until('it is shown here', async () => {
          return (await readFile(at(shared), 'utf8')) === filled('c')
        })
        // Theirs went over ours, not ours over theirs.
        expect(await conflicts()).to.deep.equal(told)
      })
    }
  })
}
