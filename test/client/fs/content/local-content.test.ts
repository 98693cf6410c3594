import { expect } from 'chai'
import { BLOCK_BYTES, BlockBuffers } from '../../../../client/fs/content/block-buffers.js'
import { Budget } from '../../../../client/fs/content/budget.js'
import { LocalContent } from '../../../../client/fs/content/local-content.js'
import { localTime } from '../../../../client/fs/time.js'
import type { WireAttributes } from '../../../../server/wire/inodes.js'

describe('a file as programs see it before the server has all of it', () => {
  const base: WireAttributes = {
    ino: 7,
    type: 'file',
    mode: 0o644,
    uid: 1000,
    gid: 1000,
    nlink: 1,
    size: 10,
    rdev: 0,
    atime: '1',
    mtime: '1',
    ctime: '1',
    crtime: '1',
    version: 3,
    generation: 1,
    etag: '"7-3"',
    modified_time: '1970-01-01T00:00:00Z',
  }
  const birth = {
    directory: 2,
    name: 'new',
    attributes: { ...base, size: 0 },
    truncates: false,
    isExclusive: false,
  }
  let now: number
  let budget: Budget
  let blocks: BlockBuffers
  beforeEach(() => {
    now = 1000
    budget = new Budget(1 << 20)
    blocks = new BlockBuffers()
  })
  const content = (of = base, newborn?: typeof birth) =>
    new LocalContent({ budget, blocks, now: () => now }, of, newborn)
  const remote = (text: string) => async (offset: number, length: number) =>
    Buffer.from(text.slice(offset, offset + length))
  const unasked = () => Promise.reject(new Error('the server was asked'))

  it('has what was written over what the server has', async () => {
    const here = content()
    const before = localTime()
    here.write(2, Buffer.from('XY'))
    expect([here.isDirty, here.isSent]).to.deep.equal([true, false])
    here.append(Buffer.from('end'))
    expect(String(await here.read(0, 100, remote('0123456789')))).to.equal('01XY456789end')
    expect(here.attributes()).to.include({ size: 13, version: 3 })
    const { mtime, ctime } = here.attributes()
    expect(BigInt(mtime) >= BigInt(before)).to.equal(true)
    expect(ctime).to.equal(mtime)
  })

  it('has what arrives on the server while that is asked', async () => {
    const here = content()
    here.write(2, Buffer.from('XY'))
    const batch = here.unsent.take('all', 1 << 20)
    const read = here.read(0, 10, async () => {
      here.unsent.arrived(batch)
      here.write(8, Buffer.from('Z'))
      return Buffer.from('0123456789')
    })
    expect(String(await read)).to.equal('01XY4567Z9')
    expect(budget.used).to.equal(here.unsent.bytes)
  })

  it('is not changed by what is written to the memory that became free meanwhile', async () => {
    const here = content({ ...base, size: BLOCK_BYTES })
    here.write(0, Buffer.alloc(BLOCK_BYTES - 1, 'x'))
    const batch = here.unsent.take('all', 1 << 20)
    const read = here.read(0, BLOCK_BYTES, async (_, length) => {
      here.unsent.arrived(batch)
      content().write(0, Buffer.alloc(BLOCK_BYTES - 1, 'y'))
      return Buffer.alloc(length, '0')
    })
    const expected = `${'x'.repeat(BLOCK_BYTES - 1)}0`
    expect((await read).equals(Buffer.from(expected))).to.equal(true)
  })

  it('asks nothing where all was written here, or cut away, or made here', async () => {
    const written = content()
    written.write(0, Buffer.from('0123456789'))
    expect(String(await written.read(4, 4, unasked))).to.equal('4567')
    const cut = content()
    cut.write(2, Buffer.from('gone'))
    cut.cut()
    expect([cut.isDirty, cut.isSent, cut.isCut]).to.deep.equal([true, false, true])
    cut.write(8, Buffer.from('x'))
    expect(String(await cut.read(0, 10, unasked))).to.equal(`${'\0'.repeat(8)}x`)
    const made = content(birth.attributes, birth)
    made.write(1, Buffer.from('x'))
    expect(String(await made.read(0, 10, unasked))).to.equal('\0x')
    made.cut()
    expect(made.isCut, 'nothing to be cut there').to.equal(false)
  })

  it('shows attributes that were set, and a time of writing only until a write', () => {
    const here = content()
    here.setAttributes({ mode: 0o600, mtime: '5' })
    expect(here.attributes()).to.include({ mode: 0o600, mtime: '5', ctime: '1' })
    expect(here.isDirty).to.equal(false)
    expect(here.isSent).to.equal(false)
    here.write(0, Buffer.from('x'))
    expect(here.attributes().mode).to.equal(0o600)
    expect(here.attributes().mtime).to.not.be.oneOf(['1', '5'])
    here.setAttributes({ mtime: '6' })
    expect(here.attributes().mtime).to.equal('6')
  })

  it('counts the time from the oldest change that was not sent', () => {
    const changes: ((here: LocalContent) => void)[] = [
      (here) => here.write(0, Buffer.from('x')),
      (here) => here.setAttributes({ mode: 0o600 }),
    ]
    for (const first of changes) {
      for (const second of changes) {
        const here = content()
        now += 500
        expect(here.ageMilliseconds).to.equal(0)
        first(here)
        now += 500
        second(here)
        expect(here.ageMilliseconds).to.equal(500)
        here.allSent()
        expect(here.ageMilliseconds).to.equal(0)
      }
    }
    const made = content(birth.attributes, birth)
    now += 500
    expect(made.ageMilliseconds).to.equal(500)
  })

  it('gives all up, and the memory with it', async () => {
    const here = content(birth.attributes, birth)
    expect(here.isSent).to.equal(false)
    here.write(0, Buffer.from('x'))
    here.setAttributes({ mode: 0o600 })
    now += 500
    here.discard()
    expect([here.isSent, here.ageMilliseconds]).to.deep.equal([true, 0])
    expect(here.birth).to.equal(undefined)
    expect(budget.used).to.equal(0)
    const cut = content()
    cut.cut()
    cut.discard()
    expect(cut.isSent).to.equal(true)
  })
})
