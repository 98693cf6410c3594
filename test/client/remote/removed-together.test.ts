import { expect } from 'chai'
import { outcomes, removeAll, together } from '../../../client/remote/removed-together.js'
import { RemoteError } from '../../../client/remote-error.js'

const removal = (name: string) => ({ directory: 1, name, kind: 'unlink' as const, ino: 2 })

describe('removals that go together', () => {
  it('fit into the header of a frame, whatever their names are, in their order', () => {
    const removals = Array.from({ length: 100 }, (_, at) => removal(`${at}${'\u0001'.repeat(250)}`))
    const groups = [...together(removals)]
    for (const group of groups) {
      expect(Buffer.byteLength(JSON.stringify(removeAll(group)))).to.be.below(64 * 1024)
    }
    expect(groups.flat()).to.deep.equal(removals)
    expect(groups.length).to.equal(3)
  })

  it('are one request where their names are usual ones', () => {
    const removals = Array.from({ length: 64 }, (_, at) => removal(`module-number-${at}.d.ts`))
    expect([...together(removals)]).to.deep.equal([removals])
    expect([...together([])]).to.deep.equal([])
  })

  it('are not believed to be done by an answer that leaves some out', () => {
    const result = { outcome: 'done', removed: [{ code: 'ENOENT', detail: 'no' }] } as const
    const reply = { result: { ...result, removed: [...result.removed] }, content: Buffer.alloc(0) }
    expect(() => outcomes(reply, 2)).to.throw(RemoteError)
    expect(outcomes(reply, 1)[0]).to.have.property('status', 'rejected')
  })
})
