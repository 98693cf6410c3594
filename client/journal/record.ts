import { crc32 } from 'node:zlib'
import { z } from 'zod'
import type { WireAttributes } from '../../server/wire/inodes.js'
import { checkedAttributes } from '../remote/wire-attributes.js'

/** The records of a journal and how they stand on the disk (docs/write-back.md). */

const PLACE = z.object({ directory: z.number(), name: z.string() })
export type Place = z.infer<typeof PLACE>
/** Of a file on the server: what a change made here is based on. */
const SEEN = z.object({ version: z.number(), etag: z.string(), permissions: z.number().optional() })
export type Seen = z.infer<typeof SEEN>

/** Numbers and exact times only: what waits must not change its meaning with the time it is sent. */
const CHANGES = z
  .object({
    mode: z.number(),
    uid: z.number(),
    gid: z.number(),
    size: z.number(),
    atime: z.string(),
    mtime: z.string(),
  })
  .partial()
const ATTRIBUTES = z.unknown().transform((value): WireAttributes => checkedAttributes(value))
const NEW_ATTRIBUTES = z.object({
  mode: z.number(),
  uid: z.number(),
  gid: z.number(),
  atime: z.string(),
  mtime: z.string(),
})
const PARTS = z.array(
  z.object({ offset: z.union([z.number(), z.literal('append')]), length: z.number() }),
)

/** The secret of the connection that sends it first. */
const BY = z.string().optional()

const CHANGE = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('birth'),
    id: z.number(),
    by: BY,
    ino: z.number(),
    place: PLACE,
    attributes: NEW_ATTRIBUTES,
  }),
  z.object({
    kind: z.literal('write'),
    id: z.number(),
    by: BY,
    ino: z.number(),
    place: PLACE.optional(),
    parts: PARTS,
    changes: CHANGES,
    before: ATTRIBUTES,
  }),
  z.object({
    kind: z.literal('attributes'),
    id: z.number(),
    by: BY,
    ino: z.number(),
    place: PLACE.optional(),
    changes: CHANGES,
    before: ATTRIBUTES,
  }),
])
const NOTE = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('done'),
    of: z.number(),
    ino: z.number(),
    seen: SEEN.optional(),
  }),
  z.object({ kind: z.literal('nameless'), ino: z.number() }),
  z.object({ kind: z.literal('sender'), by: z.string() }),
  z.object({ kind: z.literal('moved'), of: z.number(), place: PLACE }),
  z.object({
    kind: z.literal('copying'),
    ino: z.number(),
    copy: z.number(),
    place: PLACE,
    version: z.number().optional(),
  }),
  z.object({
    kind: z.literal('rebased'),
    of: z.number(),
    seen: SEEN,
    size: z.number(),
  }),
])
const HEADER = z.intersection(z.union([CHANGE, NOTE]), z.object({ synced: z.number() }))

/** Something to be sent. */
export type Change = z.infer<typeof CHANGE>
export type Birth = Omit<Extract<Change, { kind: 'birth' }>, 'id'>
/** What became of it. */
export type Note = z.infer<typeof NOTE>
export type JournalRecord = Change | Note

export const SEGMENT_MAGIC = Buffer.from('CJRN')
export const SEGMENT_HEAD = 8
export const RECORD_MAGIC = Buffer.from('CREC')
export const RECORD_HEAD = 20
/** What room is filled with until it is used: no text ends so, and no disk gives it back for what it lost. */
export const ROOM = 0xfa
/** A header longer than this is none of ours. */
const LONGEST_HEADER = 64 << 10

/** @param synced up to where the segment is known to be on the disk */
export function encodeRecord(
  record: JournalRecord,
  data: readonly Buffer[],
  { salt, synced }: { salt: number; synced: number },
): Buffer {
  const header = Buffer.from(JSON.stringify({ ...record, synced }))
  const head = Buffer.alloc(RECORD_HEAD)
  RECORD_MAGIC.copy(head)
  head.writeUInt32LE(header.length, 4)
  head.writeUInt32LE(
    data.reduce((sum, piece) => sum + piece.length, 0),
    8,
  )
  head.writeUInt32LE(checksum(data), 12)
  head.writeUInt32LE(headChecksum(head, header, salt), 16)
  return Buffer.concat([head, header])
}

export interface RecordHead {
  readonly headerLength: number
  readonly dataLength: number
  readonly dataChecksum: number
}

/** The fixed part of a record; undefined if there is none. */
export function recordHead(head: Buffer): RecordHead | undefined {
  if (head.length < RECORD_HEAD || !head.subarray(0, 4).equals(RECORD_MAGIC)) return undefined
  const headerLength = head.readUInt32LE(4)
  if (headerLength > LONGEST_HEADER) return undefined
  return {
    headerLength,
    dataLength: head.readUInt32LE(8),
    dataChecksum: head.readUInt32LE(12),
  }
}

/** The header of a record; undefined if it is not what was written, `unknown` if another version of the program wrote it. */
export function decodeHeader(
  head: Buffer,
  header: Buffer,
  salt: number,
): (JournalRecord & { synced: number }) | 'unknown' | undefined {
  if (head.readUInt32LE(16) !== headChecksum(head, header, salt)) return undefined
  const parsed = HEADER.safeParse(JSON.parse(header.toString()))
  return parsed.success ? parsed.data : 'unknown'
}

export function checksum(data: readonly Buffer[]): number {
  return data.reduce((sum, piece) => crc32(piece, sum), 0)
}

function headChecksum(head: Buffer, header: Buffer, salt: number): number {
  return crc32(header, crc32(head.subarray(0, 16), salt))
}
