import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from './support/directory.js'
import { type Outcome, outcome, root } from './support/process.js'

describe('scripts/install-packages node', () => {
  let programs: string
  before(async () => {
    programs = await temporaryDirectory('programs')
  })
  after(() => removeDirectory(programs))

  /** As on a machine whose Node.js is this one. */
  async function checked(version: string): Promise<Outcome> {
    for (const name of ['node', 'npm']) {
      await writeFile(join(programs, name), `#!/bin/sh\necho ${version}\n`)
      await chmod(join(programs, name), 0o755)
    }
    const env = { PATH: `${programs}:${process.env.PATH}` }
    return outcome(join(root, 'scripts', 'install-packages'), ['node'], { env })
  }

  for (const version of ['22.12.0', '24.0.0', '26.10.0', '30.1.2']) {
    it(`takes ${version}, and says nothing`, async () => {
      expect(await checked(version)).to.deep.equal({ status: 0, stdout: '', stderr: '' })
    })
  }

  it('takes 20.19.0, and says that it gets no more security fixes', async () => {
    const { status, stderr } = await checked('20.19.0')
    expect(status).to.equal(0)
    expect(stderr).to.match(/^Node\.js 20 gets no more security fixes .*24 or later.*\n$/)
  })

  for (const version of ['18.20.4', '20.18.3', '21.7.0', '22.11.0', '23.11.1']) {
    it(`refuses ${version}, and says what is needed`, async () => {
      const { status, stderr } = await checked(version)
      expect(status).to.equal(1)
      expect(stderr).to.include(`this is ${version} at ${programs}`).and.include('Coffer needs')
    })
  }
})

describe('scripts/install-packages where nothing can be installed', () => {
  let programs: string
  beforeEach(async () => {
    programs = await temporaryDirectory('programs')
  })
  afterEach(() => removeDirectory(programs))

  /** On a machine that has only these programs, each a script. */
  async function installed(purpose: string, scripts: Record<string, string>): Promise<Outcome> {
    for (const [name, script] of Object.entries(scripts)) {
      await writeFile(join(programs, name), `#!/bin/sh\n${script}\n`)
      await chmod(join(programs, name), 0o755)
    }
    const env = { PATH: programs }
    return outcome(join(root, 'scripts', 'install-packages'), [purpose], { env })
  }
  const NO_APT = { id: 'echo 1000', stat: 'echo 666' }
  const WITHOUT_SUDO = { ...NO_APT, 'apt-get': 'echo called' }
  const SUDO_REFUSES = { ...WITHOUT_SUDO, sudo: 'exit 1' }

  for (const [who, scripts] of Object.entries({
    'without sudo': WITHOUT_SUDO,
    'who may not use sudo': SUDO_REFUSES,
  })) {
    it(`tells a user ${who} what root is to run, and goes on`, async () => {
      const { status, stdout, stderr } = await installed('mount', scripts)
      expect({ status, stdout }).to.deep.equal({ status: 0, stdout: '' })
      expect(stderr).to.match(/^Missing packages.* As root, please run: apt-get install fuse3\n$/)
    })

    it(`does not let npm fail once more for a user ${who}`, async () => {
      const { status, stderr } = await installed('build', scripts)
      expect(status).to.equal(1)
      expect(stderr).to.match(/As root, please run: apt-get install make g\+\+ .*\n$/)
    })
  }

  it('tells what to install where there is no apt-get', async () => {
    expect((await installed('mount', NO_APT)).status).to.equal(0)
    const { status, stderr } = await installed('build', NO_APT)
    expect(status).to.equal(1)
    expect(stderr).to.include('no apt-get').and.include('g++')
  })
})
