import { expect } from 'chai'
import { AheadMemory } from '../../../../client/fs/open-files/ahead-memory.js'
import { ReadAhead } from '../../../../client/fs/open-files/read-ahead.js'
import type { RemoteContent } from '../../../../client/remote/remote-files.js'
import { until } from '../../../support/until.js'

const PIECE = 512 << 10
const SIZE = 64 << 20

interface Asked {
  readonly offset: number
  readonly signal: AbortSignal | undefined
  answer(): void
}

describe('what is read ahead', () => {
  let asked: Asked[]
  let ended: (() => void)[]
  let ahead: ReadAhead

  beforeEach(() => {
    asked = []
    ended = []
    ahead = new ReadAhead(
      (offset, length, signal) =>
        new Promise<RemoteContent>((resolve, reject) => {
          const answer = () => resolve({ data: Buffer.alloc(length) } as RemoteContent)
          asked.push({ offset, signal, answer })
          signal?.addEventListener('abort', () => reject(new Error('given up')))
        }),
      new AheadMemory(64 << 20, () => 0),
    )
  })

  /** Goes on in its own time. */
  function read(offset: number): Promise<Buffer> {
    return ahead.read(offset, PIECE, SIZE, { afterwards: (work) => ended.push(work) })
  }

  const from = (first: number, end: number) =>
    asked.filter(({ offset }) => offset >= first && offset < end)
  const isStopped = ({ signal }: Asked) => signal?.aborted === true

  it('is fetched no further once its file is closed', async () => {
    void read(0)
    const [own, ...others] = asked
    expect(others).to.have.length.above(0)
    ahead.drop()
    await until('all of it is given up', async () => others.every(isStopped))
    expect(own?.signal).to.equal(undefined)
  })

  it('is fetched no further once its reader is elsewhere', async () => {
    void read(0)
    const before = asked.slice(1)
    void read(SIZE / 2)
    await until('all of it is given up', async () => before.every(isStopped))
  })

  it('comes to who waits for it, also when the file is written meanwhile', async () => {
    void read(0)
    const reading = read(PIECE)
    const [needed, others] = [from(PIECE, 2 * PIECE), from(2 * PIECE, SIZE)]
    ahead.drop()
    await until('the others are given up', async () => others.every(isStopped))
    expect(needed.some(isStopped)).to.equal(false)
    for (const each of needed) each.answer()
    expect(await reading).to.have.length(PIECE)
  })

  it('is not given up once it is here', async () => {
    void read(0)
    const reading = read(PIECE)
    const [needed, others] = [from(PIECE, 2 * PIECE), from(2 * PIECE, SIZE)]
    for (const each of needed) each.answer()
    await reading
    for (const work of ended) work()
    ahead.drop()
    await until('the others are given up', async () => others.every(isStopped))
    expect(needed.some(isStopped)).to.equal(false)
  })
})
