import { chmod, chown, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { ownPort } from '../support/own-port.js'
import { type Running, start } from '../support/process.js'
import { program } from '../support/program.js'
import { requires } from '../support/requires.js'

/** In no passwd(5), and so without a home directory: as by systemd's DynamicUser=, or in a container. */
const UNLISTED = 54_321

describe('a server of a user that is in no list', function () {
  this.timeout(60_000)
  let directory: string
  let server: Running | undefined

  beforeEach(async function () {
    requires(this, 'root')
    directory = await temporaryDirectory('unlisted')
    await chmod(directory, 0o755)
    await mkdir(join(directory, 'data'))
    await chown(join(directory, 'data'), UNLISTED, UNLISTED)
  })
  afterEach(async () => {
    await server?.stop()
    await removeDirectory(directory)
  })

  async function serve(env: NodeJS.ProcessEnv = {}): Promise<Running> {
    const user = [`--reuid=${UNLISTED}`, `--regid=${UNLISTED}`, '--clear-groups']
    server = start('setpriv', [...user, process.execPath, ...program('server'), 'serve'], {
      env: {
        HOME: undefined,
        XDG_DATA_HOME: undefined,
        COFFER_DATA: join(directory, 'data'),
        COFFER_PORT: String(await ownPort()),
        ...env,
      },
    })
    return server
  }

  it('serves the data directory that is named', async () => {
    await (await serve()).printed(/Coffer is serving/)
  })

  /** As systemd's LoadCredential= and a secret of Kubernetes are. */
  async function secretOfRoot(mode: number): Promise<string> {
    const file = join(directory, 'secret')
    await writeFile(file, 'at least thirty-two characters, as it must have')
    await chown(file, 0, UNLISTED)
    await chmod(file, mode)
    return file
  }

  it("takes a secret of root's that its group is given", async () => {
    const running = await serve({ COFFER_SECRET_FILE: await secretOfRoot(0o440) })
    await running.printed(/Coffer is serving/)
  })

  it("refuses one of root's that everybody may read", async () => {
    const running = await serve({ COFFER_SECRET_FILE: await secretOfRoot(0o444) })
    await running.ended
    expect(running.log()).to.include('can be read by others')
  })
})
