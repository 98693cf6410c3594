import { expect } from 'chai'
import { SizedInput } from '../../../../server/storage/archive/sized-input.js'

describe('bytes of a stream, taken in pieces of known sizes', () => {
  async function* stream(...pieces: string[]) {
    for (const piece of pieces) yield Buffer.from(piece)
  }
  const rejection = (work: Promise<unknown>) =>
    work.then(
      () => 'none',
      (error: Error) => error.message,
    )

  it('come whole, however the stream cuts them', async () => {
    const input = new SizedInput(stream('a', 'bcd', '', 'efgh'))
    expect(String(await input.take(2))).to.equal('ab')
    await input.skip(1)
    expect(String(await input.take(0))).to.equal('')
    expect(String(await input.take(5))).to.equal('defgh')
  })

  it('are what is left of a part that was read before', async () => {
    const input = new SizedInput(stream('ab', 'cd', 'ef'))
    const part = input.part(5)
    for await (const piece of part) {
      expect(String(piece)).to.equal('ab')
      break
    }
    const left: string[] = []
    for await (const piece of part) left.push(String(piece))
    expect(left).to.deep.equal(['cd', 'e'])
    expect(String(await input.take(1))).to.equal('f')
  })

  it('are refused where the stream ends too early', async () => {
    const input = new SizedInput(stream('abc'))
    expect(await rejection(input.take(4))).to.equal('the archive ends too early')
  })

  it('leave nothing of the stream once it is drained', async () => {
    const source = stream('abc', 'def', 'ghi')
    const input = new SizedInput(source)
    await input.take(1)
    await input.drain()
    expect((await source.next()).done).to.equal(true)
  })
})
