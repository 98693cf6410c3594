import { z } from 'zod'
import type { AttributeChanges, NewAttributes, NewInode } from '../../storage/storage.js'
import { TIME_RULE, timeOf } from './time.js'

/** The JSON the file API takes. Whatever is not named here is refused. */

/** (uid_t)-1 means "leave" to chown(2), so it is nobody's number. */
export const MAX_ID = 0xffff_fffe

const bits = z.int().min(0).max(0o7777)
const id = z.int().min(0).max(MAX_ID)
const size = z.int().min(0)
export const inodeNumber = z.int().min(1)
const time = z.string(`${TIME_RULE}, as a string`).transform(parsedTime)
const timeOrNow = z
  .string(`must be "now" or a time as a string; a time ${TIME_RULE}`)
  .transform((text, context) => (text === 'now' ? text : parsedTime(text, context)))

function parsedTime(text: string, context: z.RefinementCtx): bigint {
  const parsed = timeOf(text)
  if (parsed !== undefined) return parsed
  context.addIssue(TIME_RULE)
  return z.NEVER
}

export const offset = z.int().min(0)
export const seekingFor = z.enum(['data', 'hole'])
/** What a removal takes away: unlink(2), rmdir(2). */
export const removeKind = z.enum(['unlink', 'rmdir', 'either'])
/** setxattr(2). */
export const xattrMode = z.enum(['create', 'replace', 'either'])
/** fallocate(2). */
export const zeroRange = { offset, bytes: z.int().min(1), extend: z.boolean().default(false) }
const place = z.strictObject({ ino: inodeNumber, offset })
/** copy_file_range(2). */
export const copiedRange = { from: place, to: place, bytes: z.int().min(0) }

const newAttributeShape = {
  mode: bits.exactOptional(),
  uid: id.exactOptional(),
  gid: id.exactOptional(),
  atime: time.exactOptional(),
  mtime: time.exactOptional(),
  ino: inodeNumber.exactOptional(),
}

export const attributeChanges: z.ZodType<AttributeChanges> = z.strictObject({
  mode: bits.exactOptional(),
  uid: id.exactOptional(),
  gid: id.exactOptional(),
  size: size.exactOptional(),
  atime: timeOrNow.exactOptional(),
  mtime: timeOrNow.exactOptional(),
  permissions: z.int().min(0).exactOptional(),
})

/** Symlink texts are what symlink(2) takes: 1 to 4095 bytes without NUL. */
const target = z
  .string()
  .refine((text) => text.isWellFormed() && !text.includes('\0'), 'must be text without NUL')
  .refine((text) => text !== '' && Buffer.byteLength(text) < 4096, 'must have 1 to 4095 bytes')
/** dev_t as makedev(3) packs it: 32 bits go through FUSE. */
const rdev = z.int().min(0).max(0xffff_ffff)

const SHAPES = [
  { type: z.enum(['directory', 'file', 'fifo', 'socket']) },
  { type: z.literal('symlink'), target },
  { type: z.enum(['chardev', 'blockdev']), rdev: rdev.default(0) },
] as const

/** What POST makes: the kind and its attributes in one object. */
const newInodeShapes = [
  z.strictObject({ ...SHAPES[0], ...newAttributeShape }),
  z.strictObject({ ...SHAPES[1], ...newAttributeShape }),
  z.strictObject({ ...SHAPES[2], ...newAttributeShape }),
] as const
export type NewInodeRequest = z.infer<(typeof newInodeShapes)[number]>

/** A hard link: to an inode, or to what a path (decoded, from the root) names. */
const newLink = z
  .strictObject({
    type: z.literal('link'),
    ino: inodeNumber.optional(),
    path: z.string().optional(),
  })
  .refine(({ ino, path }) => (ino === undefined) !== (path === undefined), 'needs "ino" or "path"')
export type NewLinkRequest = z.infer<typeof newLink>

export const postRequest = z.discriminatedUnion('type', [...newInodeShapes, newLink])

/** The same apart, as a batch has it. */
export const newInode: z.ZodType<NewInode> = z.discriminatedUnion('type', [
  z.strictObject(SHAPES[0]),
  z.strictObject(SHAPES[1]),
  z.strictObject(SHAPES[2]),
])
export const newAttributes: z.ZodType<Partial<NewAttributes>> = z.strictObject(newAttributeShape)
