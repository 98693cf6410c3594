import { type Machine, type Mount, machine } from '../support/mount.js'
import { requires } from '../support/requires.js'
import { startServer, type TestServer } from '../support/server.js'
import { behavesLikePosix, posix } from './suite.js'

/** With a journal ctime is this machine's until a file is sent: what tells of times is left out there (docs/write-back.md). */
const JOURNALED = [
  'open(2)',
  'open(2) with O_TMPFILE',
  'read(2) and write(2)',
  'memory maps and ranges',
  'holes and ranges',
]

for (const flags of [[], ['--write-back']]) {
  const isChosen = (topic: string) => flags.length === 0 || JOURNALED.includes(topic)
  const topics = Object.fromEntries(Object.entries(posix).filter(([topic]) => isChosen(topic)))
  describe(`the POSIX suite on a mount ${flags.join(' ')}`.trimEnd(), () => {
    let server: TestServer
    let home: Machine
    let mount: Mount

    before(async function () {
      requires(this, 'fuse')
      this.timeout(120_000)
      server = await startServer()
      home = await machine(server)
      mount = await home.mount({ flags })
    })
    after(async () => {
      await home?.remove()
      await server?.remove()
    })

    behavesLikePosix(() => mount.directory, topics)
  })
}
