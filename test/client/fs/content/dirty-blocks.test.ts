import { expect } from 'chai'
import { BLOCK_BYTES, BlockBuffers } from '../../../../client/fs/content/block-buffers.js'
import { covers, DirtyBlocks } from '../../../../client/fs/content/dirty-blocks.js'

type Piece = [offset: number, length: number]

const B = BLOCK_BYTES

/** Pieces in the order in which they are written, and a range of the file. */
const cases: [written: Piece[], range: Piece, isCovered: boolean][] = [
  [[], [0, 0], true],
  [[], [0, 1], false],
  [[[0, 10]], [0, 10], true],
  [[[0, 10]], [0, 11], false],
  [[[0, 10]], [3, 7], true],
  [[[5, 5]], [0, 10], false],
  [
    [
      [5, 5],
      [0, 5],
    ],
    [0, 10],
    true,
  ],
  [
    [
      [6, 4],
      [0, 5],
    ],
    [0, 10],
    false,
  ],
  [
    [
      [0, B],
      [B, 10],
    ],
    [0, B + 10],
    true,
  ],
  [
    [
      [0, B - 1],
      [B, 10],
    ],
    [0, B + 10],
    false,
  ],
  [
    [
      [B, 10],
      [0, B],
    ],
    [B - 5, 15],
    true,
  ],
  [[[B, 10]], [0, B + 10], false],
  [[[0, 10]], [0, B + 10], false],
]

describe('whether what is written covers a range', () => {
  for (const [written, [offset, length], isCovered] of cases) {
    const pieces = written.map((piece) => piece.join('+')).join(', ') || 'nothing'
    it(`${offset}+${length} with ${pieces}: ${isCovered ? 'yes' : 'no'}`, () => {
      const blocks = new DirtyBlocks(new BlockBuffers())
      for (const [at, bytes] of written) blocks.write(at, Buffer.alloc(bytes))
      expect(covers(blocks.sorted(), offset, length)).to.equal(isCovered)
    })
  }
})
