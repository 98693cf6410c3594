import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { Cache } from '../../../../client/cache/cache.js'
import { Listing } from '../../../../client/fs/names/listing.js'
import type { RemoteFiles } from '../../../../client/remote/remote-files.js'
import type { WireEntry } from '../../../../server/wire/inodes.js'
import { attributesOf } from '../../remote/some-attributes.js'

const DIRECTORY = 1
const PAGE = 2_000
const LENGTH = 300_000

function entry(at: number): WireEntry {
  return {
    ...attributesOf(DIRECTORY + 1 + at),
    name: `entry ${at}`,
    size: 0,
    etag: `"${at}-1"`,
  }
}

describe('the listing of a directory that is longer than what is known of all', () => {
  let pages: number
  /** The first of each page. */
  let came: WeakRef<WireEntry>[]
  let listing: Listing

  beforeEach(() => {
    pages = 0
    came = []
    const files: Pick<RemoteFiles, 'list'> = {
      async *list() {
        for (let at = 0; at < LENGTH; at += PAGE) {
          pages += 1
          const page = Array.from({ length: PAGE }, (_, index) => entry(at + index))
          if (page[0] !== undefined) came.push(new WeakRef(page[0]))
          yield page
        }
      },
    }
    const cache = new Cache({ now: () => 0, timeoutMilliseconds: 0, limit: PAGE })
    listing = new Listing(files as RemoteFiles, cache, DIRECTORY, { observe: () => {} })
  })

  async function read(from: number, to: number): Promise<void> {
    for (let at = from; at < to; at += PAGE) {
      const part = await listing.from(at, PAGE)
      expect(part).to.have.length(PAGE)
      for (const [index, { name }] of part.entries()) {
        if (name !== `entry ${at + index}`) expect.fail(`${name} is entry ${at + index}`)
      }
    }
  }

  it('is read to its end, and kept in part', async function () {
    this.timeout(60_000)
    await read(0, LENGTH)
    expect(await listing.from(LENGTH, PAGE)).to.deep.equal([])
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    expect(came).to.have.length(LENGTH / PAGE)
    const kept = came.filter((one) => one.deref() !== undefined)
    expect(kept.length).to.be.within(1, 200_000 / PAGE)
  })

  it('is read on from where somebody was before, however far back', async function () {
    this.timeout(60_000)
    await read(0, LENGTH)
    const before = pages
    await read(LENGTH - 10 * PAGE, LENGTH)
    expect(pages).to.equal(before)
    await read(3 * PAGE, 5 * PAGE)
    expect(pages).to.be.within(before + 5, before + 8)
    await read(LENGTH - PAGE, LENGTH)
  })
})
