import { expect } from 'chai'
import { AheadMemory } from '../../../../client/fs/open-files/ahead-memory.js'
import { ReadAhead } from '../../../../client/fs/open-files/read-ahead.js'
import type { RemoteContent } from '../../../../client/remote/remote-files.js'

const PAGE = 4096
const SMALL = 2 << 20
const LONG = 64 << 20
const MEMORY = 64 << 20

describe('a file that is read here and there', () => {
  let asked: { readonly offset: number; readonly length: number }[]
  let memory: AheadMemory
  let ahead: ReadAhead
  /** What becomes of a request for all of a small file. */
  let ofWhole: () => Promise<void>

  beforeEach(() => {
    asked = []
    ofWhole = async () => {}
    memory = new AheadMemory(MEMORY, () => 0)
    ahead = new ReadAhead(async (offset, length) => {
      asked.push({ offset, length })
      if (length === SMALL) await ofWhole()
      return { data: content(offset, length) } as RemoteContent
    }, memory)
  })

  /** Each page is full of its own number. */
  function content(offset: number, length: number): Buffer {
    const data = Buffer.alloc(length)
    for (let at = 0; at < length; at += PAGE) data.fill((offset + at) / PAGE, at, at + PAGE)
    return data
  }

  async function read(offset: number, size: number): Promise<void> {
    const after: (() => void)[] = []
    const reader = { afterwards: (work: () => void) => after.push(work) }
    const data = await ahead.read(offset, PAGE, size, reader)
    expect(data.equals(content(offset, PAGE)), `what is at ${offset}`).to.equal(true)
    for (const work of after) work()
  }

  /** Different pages within the first `size` bytes, hither and thither. */
  async function scattered(count: number, size: number, fileSize = size): Promise<void> {
    const pages = size / PAGE
    for (let index = 1; index <= count; index++)
      await read(((index * 157) % pages) * PAGE, fileSize)
  }

  const bytes = () => asked.reduce((sum, { length }) => sum + length, 0)
  const wholes = () => asked.filter(({ length }) => length === SMALL).length
  const isAllFree = () => memory.tryTake({ isBusy: false, drop: () => {} }, MEMORY)

  it('is fetched whole, once, where one request does it and a good part was read', async () => {
    await scattered(500, SMALL)
    expect(wholes()).to.equal(1)
    expect(asked).to.have.length.below(50)
    ahead.drop()
    expect(isAllFree()).to.equal(true)
  })

  it('is not read ahead where it is long, however near the reads are', async () => {
    await scattered(10, 1 << 20, LONG)
    const before = bytes()
    await scattered(200, 1 << 20, LONG)
    expect(bytes() - before).to.equal(200 * PAGE)
  })

  it('is read ahead again once it is read on', async () => {
    await scattered(200, 1 << 20, LONG)
    const before = asked.length
    for (let index = 0; index < 512; index++) await read(LONG / 2 + index * PAGE, LONG)
    expect(asked.length - before).to.be.below(30)
  })

  it('is asked for page by page until the whole is here', async () => {
    let comes = (): void => {}
    ofWhole = () =>
      new Promise((resolve) => {
        comes = resolve
      })
    await scattered(100, SMALL)
    expect(wholes()).to.equal(1)
    const before = asked.length
    expect(before).to.be.within(100, 110)
    comes()
    await read(PAGE, SMALL)
    await scattered(300, SMALL)
    expect(asked.length - before).to.be.below(2)
  })

  it('is asked for page by page where the whole does not come', async () => {
    ofWhole = () => Promise.reject(new Error('no'))
    await scattered(100, SMALL)
    expect(wholes()).to.be.within(1, 4)
    ahead.drop()
    expect(isAllFree()).to.equal(true)
  })

  it('is new again once it was changed', async () => {
    await scattered(100, SMALL)
    ahead.drop()
    const before = asked.length
    await scattered(10, SMALL)
    expect(asked.length - before).to.be.within(10, 12)
    expect(wholes()).to.equal(1)
  })

  it('is not held by what came too late', async () => {
    let comes = (): void => {}
    ofWhole = () =>
      new Promise((resolve) => {
        comes = resolve
      })
    await scattered(100, SMALL)
    const before = asked.length
    ahead.drop()
    comes()
    await scattered(10, SMALL)
    expect(asked.length - before).to.be.within(10, 12)
    ahead.drop()
    expect(isAllFree()).to.equal(true)
  })
})
