import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { mayStillWrite } from '../../../client/fuse/other-descriptors.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

describe('another descriptor of a file', () => {
  let directory: string
  let mount: string
  let program: ChildProcess | undefined

  beforeEach(async () => {
    directory = await temporaryDirectory('descriptors')
    mount = join(directory, 'mount')
    mkdirSync(mount)
  })
  afterEach(async () => {
    await ended()
    await removeDirectory(directory)
  })

  /** A program has the file open. @returns its process, and the number of the file */
  async function opened(flags: string, path: string): Promise<[number, number]> {
    writeFileSync(path, '')
    const descriptor = openSync(path, flags)
    const { ino } = fstatSync(descriptor)
    program = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore', descriptor] })
    await once(program, 'spawn')
    closeSync(descriptor)
    return [program.pid ?? 0, ino]
  }

  async function ended(): Promise<void> {
    if (program === undefined) return
    const end = once(program, 'exit')
    program.stdin?.end()
    await end
    program = undefined
  }

  it('is seen while a program may write through it', async () => {
    const [process, ino] = await opened('r+', join(mount, 'file'))
    expect(mayStillWrite(process, mount, ino)).to.equal(true)
    expect(mayStillWrite(process, mount, ino + 1)).to.equal(false)
    await ended()
    expect(mayStillWrite(process, mount, ino)).to.equal(false)
  })

  it('counts no more if it is for reading only', async () => {
    const [process, ino] = await opened('r', join(mount, 'file'))
    expect(mayStillWrite(process, mount, ino)).to.equal(false)
  })

  it('counts in the mount alone: elsewhere a file may have the same number', async () => {
    const [process, ino] = await opened('r+', join(directory, 'mounted'))
    expect(mayStillWrite(process, mount, ino)).to.equal(false)
    expect(mayStillWrite(process, '/', ino)).to.equal(true)
  })
})
