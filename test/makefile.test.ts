import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from './support/directory.js'
import { outcome, root } from './support/process.js'

/** What Node.js says of a module that was compiled for another version of it. */
const FOR_ANOTHER = "throw Object.assign(new Error('for another'), { code: 'ERR_DLOPEN_FAILED' })"
const FOR_THIS = 'module.exports = class {}'

describe('make node_modules', () => {
  let checkout: string
  let database: string
  beforeEach(async () => {
    checkout = await temporaryDirectory('checkout')
    for (const part of ['Makefile', 'package-lock.json', 'scripts'])
      await cp(join(root, part), join(checkout, part), { recursive: true })
    await mkdir(join(checkout, 'bin'))
    const install = `echo "$@" >> installed; echo '${FOR_THIS}' > "$MODULE"`
    await writeFile(join(checkout, 'bin', 'npm'), `#!/bin/sh\n${install}\n`)
    await chmod(join(checkout, 'bin', 'npm'), 0o755)
    database = join(checkout, 'node_modules', 'better-sqlite3', 'index.js')
    await mkdir(join(database, '..'), { recursive: true })
  })
  afterEach(() => removeDirectory(checkout))

  /** What npm was told to do. */
  async function made(): Promise<string> {
    const PATH = `${join(checkout, 'bin')}:${process.env.PATH}`
    const env = { PATH, MODULE: database, MAKEFLAGS: '', MAKELEVEL: '' }
    const ended = await outcome('make', ['node_modules'], { cwd: checkout, env })
    expect(ended).to.include({ status: 0 })
    return readFile(join(checkout, 'installed'), 'utf8').catch(() => '')
  }

  it('leaves what is installed for this version of Node.js', async () => {
    await writeFile(database, FOR_THIS)
    expect(await made()).to.equal('')
  })

  it('installs anew, once, what was installed for another one', async () => {
    await writeFile(database, FOR_ANOTHER)
    expect(await made()).to.equal('ci\n')
    expect(await made()).to.equal('ci\n')
  })
})
