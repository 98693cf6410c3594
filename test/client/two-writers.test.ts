import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { expect } from 'chai'
import { until } from '../support/until.js'
import type { Locker } from './locker.js'
import { twoMachines } from './two-machines.js'

/** Two machines that write, remove and replace the same files, without locks. */
describe('two writers of one file', () => {
  const two = twoMachines('shared')
  const { mounts, at, newFile } = two

  /** A program on a machine that has the file open as "f", and has given it this content. */
  async function program(on: 0 | 1, file: string, content?: string): Promise<Locker> {
    const started = await two.program(on, file)
    if (content === undefined) return started
    expect(await started.ask('write', 'f', 0, content)).to.equal('ok')
    expect(await started.ask('sync', 'f')).to.equal('ok')
    return started
  }

  async function shows(on: 0 | 1, file: string, content: string): Promise<void> {
    await until(`${file} is ${content} on machine ${on}`, async () => {
      // Opened just before it was replaced, it may be gone: ESTALE.
      return (await readFile(at(on, file), 'utf8').catch(() => undefined)) === content
    })
  }

  it('keeps what both wrote at different places', async () => {
    const file = newFile()
    const one = await program(0, file, '..........')
    await shows(1, file, '..........')
    const other = await program(1, file)
    expect(await one.ask('write', 'f', 0, 'aaa')).to.equal('ok')
    expect(await other.ask('write', 'f', 5, 'bbb')).to.equal('ok')
    expect(await one.ask('close', 'f')).to.equal('ok')
    expect(await other.ask('close', 'f')).to.equal('ok')
    for (const on of [0, 1] as const) await shows(on, file, 'aaa..bbb..')
  })

  it('keeps one of two whole files, never a mixture, and says whose went over the other', async () => {
    const file = newFile()
    await program(0, file, 'first')
    await shows(1, file, 'first')
    const [one, other] = [await program(0, file), await program(1, file)]
    expect(await one.ask('rewrite', 'g', at(0, file), 'one-that-is-long')).to.equal('ok')
    expect(await other.ask('rewrite', 'g', at(1, file), 'other')).to.equal('ok')
    expect(await other.ask('close', 'g')).to.equal('ok')
    expect(await one.ask('close', 'g')).to.equal('ok')
    const whole = await readFile(at(0, file), 'utf8')
    expect(whole).to.be.oneOf(['one-that-is-long', 'other'])
    await shows(1, file, whole)
    const mount = mounts[whole === 'other' ? 1 : 0]
    await mount?.logged('was rewritten here over a change of another machine')
    expect((await mount?.status())?.conflicts).to.include({ overwritten: 1, copies: 0 })
  })

  it('shows what was there, or ESTALE, of a file removed elsewhere: never wrong bytes', async () => {
    const file = newFile()
    await writeFile(at(1, file), Buffer.alloc(2 << 20, 'x'))
    await until('it is there', () => stat(at(0, file)).catch(() => undefined))
    const one = await program(0, file)
    expect(await one.ask('read', 'f', 0, 5)).to.equal('=xxxxx')
    await rm(at(1, file))
    await until('it is gone here', async () => {
      const answer = await one.ask('openread', 'h', at(0, file))
      return answer === 'ENOENT'
    })
    expect(await one.ask('read', 'f', 0, 5)).to.be.oneOf(['=xxxxx', 'ESTALE'])
    expect(await one.ask('read', 'f', 2 ** 21 - 5, 5)).to.equal('ESTALE')
  })

  it('shows the old file through an old descriptor or ESTALE, the new one through a new, when it was replaced elsewhere', async () => {
    const [file, newer] = [newFile(), newFile()]
    const one = await program(0, file, 'content')
    const other = await program(1, newer, 'another')
    expect(await other.ask('rename', 'f', at(1, newer), at(1, file))).to.equal('ok')
    await shows(0, file, 'another')
    expect(await one.ask('read', 'f', 0, 7)).to.be.oneOf(['=content', 'ESTALE'])
    expect(await one.ask('openread', 'h', at(0, file))).to.equal('ok')
    expect(await one.ask('read', 'h', 0, 7)).to.equal('=another')
  })
})
