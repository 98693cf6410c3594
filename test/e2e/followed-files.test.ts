import { unwatchFile, watchFile } from 'node:fs'
import { appendFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Machine, machine } from '../support/mount.js'
import { start } from '../support/process.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { until } from '../support/until.js'

/** How often a program looks, in seconds: it is not woken by what others change. */
const LOOKS = 0.1

describe('a file that another machine changes', () => {
  let server: TestServer
  let here: Machine
  let there: Machine
  let mine = ''
  let theirs = ''

  before(async function () {
    requires(this, 'fuse')
    this.timeout(120_000)
    server = await startServer()
    here = await machine(server)
    there = await machine(server)
    mine = (await here.mount()).directory
    theirs = (await there.mount()).directory
  })
  after(async () => {
    await here?.remove()
    await there?.remove()
    await server?.remove()
  })

  it('is followed by tail -F, over a rotation', async () => {
    await writeFile(join(theirs, 'log'), 'one\n')
    const often = [`--sleep-interval=${LOOKS}`, '--max-unchanged-stats=1']
    const tail = start('tail', ['-F', ...often, join(mine, 'log')])
    await tail.printed(/^one$/m)
    await appendFile(join(theirs, 'log'), 'two\n')
    await tail.printed(/^two$/m)
    await rename(join(theirs, 'log'), join(theirs, 'log.1'))
    await writeFile(join(theirs, 'log'), 'three\n')
    await tail.printed(/^three$/m)
    await tail.stop()
    expect(tail.log()).not.to.contain('truncated')
  })

  it('is seen by who polls it, as watchers do that are told to', async () => {
    const path = join(mine, 'polled')
    const sizes: number[] = []
    // A file that is not there is told of, once: so it is known when the watcher has looked first.
    watchFile(path, { interval: LOOKS * 1000 }, ({ size }) => sizes.push(size))
    await until('it is not there', async () => sizes.at(-1) === 0)
    for (const text of ['short', 'much longer']) {
      await writeFile(join(theirs, 'polled'), text)
      await until(`it is ${text}`, async () => sizes.at(-1) === text.length)
    }
    unwatchFile(path)
  })
})
