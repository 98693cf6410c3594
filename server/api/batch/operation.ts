import { z } from 'zod'
import type { Locks } from '../../locks/locks.js'
import { type Inode, type Origin, overwrite, type Tree } from '../../storage/storage.js'
import { encodeFrame, type Frame, frameOf } from '../../wire/frames.js'
import type { WireResult } from '../../wire/operations.js'
import { attributesJson, newAttributesJson } from '../exchange/attributes.js'
import type { Exchange } from '../exchange/exchange.js'
import { ifMatch } from '../exchange/preconditions.js'
import { validated } from '../input/json.js'
import { freeSpent } from '../input/spent-buffers.js'

/** One kind of operation of POST /batch. */

export type Answer =
  | { readonly header: WireResult; readonly content?: Buffer }
  /** It is done, and the attributes of this inode are all there is to say, beside content. */
  | {
      readonly inode: Inode
      readonly content?: Buffer
      readonly others?: number
      /** As the operation left it: nobody has asked for it before, and no other answer has the same. */
      readonly isNew?: boolean
    }

/** Long content is made for its answer alone; what is short may be at hand for others, too. */
const LONG_BYTES = 64 * 1024

/** An answer as it is sent. Long content is used up by that: only the frame has it. */
export function answerFrame(answer: Answer): Buffer {
  const frame = encoded(answer)
  const { content } = answer
  if (content !== undefined && content.length >= LONG_BYTES) freeSpent([content])
  return frame
}

function encoded(answer: Answer): Buffer {
  if ('header' in answer) return encodeFrame(answer.header, answer.content)
  const { inode, content, others, isNew } = answer
  const attributes = isNew ? newAttributesJson(inode) : attributesJson(inode)
  const length = content === undefined || content.length === 0 ? '' : `,"length":${content.length}`
  const newest = others === undefined ? '' : `,"others":${others}`
  return frameOf(`{"outcome":"done","attributes":${attributes}${newest}${length}}`, content)
}

export interface Operation {
  readonly access: 'read' | 'write'
  /** @throws FileError, PreconditionFailed */
  readonly run: (header: Frame['header'], context: Context) => Promise<Answer>
}

export interface Context {
  readonly tree: Tree
  readonly origin: Origin
  /** The content of the frame, as it comes or all of it, and how many bytes it has. */
  readonly length: number
  readonly content: AsyncIterable<Buffer> | readonly [Buffer]
  readonly locks: Locks
  readonly fence: Exchange['fence']
  /** Whether the token has the scope file.write. */
  readonly mayWrite: boolean
}

/** `ifMatch`, which operations that change what is there may have. */
export const matching = z
  .string()
  .optional()
  .transform((text) => (text === undefined ? overwrite : ifMatch(text)))

/** `change`, by which the client knows what some operations change. */
export const changeName = z.string().optional()

/** @param run answers an inode where its attributes are all there is to say */
export function operation<Shape extends z.ZodRawShape>(
  access: 'read' | 'write',
  shape: Shape,
  run: (context: Context, fields: z.output<z.ZodObject<Shape>>) => Promise<Answer | Inode>,
): Operation {
  const schema = z.strictObject(shape)
  return {
    access,
    run: async (header, context) => {
      const {
        op: _op,
        stopOnError: _stop,
        durability: _durability,
        length: _length,
        ...fields
      } = header
      const answer = await run(context, validated(fields, schema))
      return 'ino' in answer ? { inode: answer, isNew: access === 'write' } : answer
    },
  }
}
