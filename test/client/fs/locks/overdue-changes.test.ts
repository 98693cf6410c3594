import { expect } from 'chai'
import { caller, O_RDWR, ROOT } from '../kernel-calls.js'
import { type Machine, twoMachines, type World } from '../local-mount.js'
import { type Program, program, refused, takenBy } from './locking-program.js'

describe('what changes a file, and meanwhile its lock turns out to be lost', () => {
  let earth: World
  let here: Machine
  let there: Machine

  beforeEach(async () => {
    ;({ earth, here, there } = await twoMachines('told, with locks'))
    await here.calls.store(ROOT, 'f', 'before')
  })
  afterEach(() => earth.close())

  const takenElsewhere = (text: string) => takenBy(there, earth, text)

  const changes: [what: string, change: (ours: Program) => Promise<unknown>][] = [
    ['ftruncate(2)', (ours) => ours.cut()],
    ['fallocate(2)', (ours) => ours.allocate()],
    ['copy_file_range(2)', (ours) => ours.copy()],
  ]
  for (const [what, change] of changes) {
    it(`lets ${what} change nothing once it has found that out by what had to be sent first`, async () => {
      const ours = await program(here)
      await ours.lock()
      here.fault.quiet = new Promise(() => {})
      await ours.write('ours')
      await takenElsewhere('theirs')
      expect(await refused(change(ours))).to.equal('EIO')
      expect(await there.calls.text((await there.calls.walk('f')).node)).to.equal('theirs')
    })
  }

  const begun: [what: string, change: (ours: Program) => Promise<unknown>][] = [
    ['write(2)', (ours) => ours.write('ours')],
    ['ftruncate(2) to nothing', (ours) => ours.cut(0)],
  ]
  for (const [what, change] of begun) {
    it(`lets ${what} that had begun before change nothing`, async () => {
      await here.calls.store(ROOT, 'g', 'x')
      const ours = await program(here)
      await ours.lock()
      await there.fs.setattr((await there.calls.walk('f')).node, { mode: 0o600 }, undefined, caller)
      // From here on this is known here, and nothing else of the file is.
      await (await program(here, O_RDWR, 'flock', 'g')).lock()
      let goOn = () => {}
      here.fault.before = (operation) => {
        if (operation !== 'stat') return undefined
        return new Promise((resolve) => {
          goOn = resolve
        })
      }
      const changed = refused(change(ours))
      await takenElsewhere('theirs')
      expect(await refused(ours.read())).to.equal('EIO')
      delete here.fault.before
      goOn()
      expect(await changed).to.equal('EIO')
      await refused(ours.close())
      expect(await there.calls.text((await there.calls.walk('f')).node)).to.equal('theirs')
    })
  }
})
