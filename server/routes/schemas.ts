import { z } from 'zod'
import type { AttributeChanges } from '../storage/storage.js'

/** The JSON the file API takes. Whatever is not named here is refused. */

/** (uid_t)-1 means "leave" to chown(2), so it is nobody's number. */
const MAX_ID = 0xffff_fffe
const MIN_TIME = -(2n ** 63n)
const MAX_TIME = 2n ** 63n - 1n

const bits = z.int().min(0).max(0o7777)
const id = z.int().min(0).max(MAX_ID)
const size = z.int().min(0)
export const inodeNumber = z.int().min(1)
const time = z
  .string()
  .regex(/^-?\d{1,19}$/, 'must be nanoseconds since the epoch in decimal, as a string')
  .transform(BigInt)
  .refine((value) => value >= MIN_TIME && value <= MAX_TIME, 'is out of range')
const timeOrNow = z.union([z.literal('now'), time])

export const newAttributeShape = {
  mode: bits.optional(),
  uid: id.optional(),
  gid: id.optional(),
  atime: time.optional(),
  mtime: time.optional(),
  ino: inodeNumber.optional(),
}

export const attributeChanges: z.ZodType<AttributeChanges> = z
  .strictObject({
    mode: bits.optional(),
    uid: id.optional(),
    gid: id.optional(),
    size: size.optional(),
    atime: timeOrNow.optional(),
    mtime: timeOrNow.optional(),
  })
  .transform(present)

/** Symlink texts are what symlink(2) takes: 1 to 4095 bytes without NUL. */
const target = z
  .string()
  .refine((text) => text.isWellFormed() && !text.includes('\0'), 'must be text without NUL')
  .refine((text) => text !== '' && Buffer.byteLength(text) < 4096, 'must have 1 to 4095 bytes')
/** dev_t as makedev(3) packs it: 32 bits go through FUSE. */
const rdev = z.int().min(0).max(0xffff_ffff)

const madeShape = [
  { type: z.enum(['directory', 'file', 'fifo', 'socket']) },
  { type: z.literal('symlink'), target },
  { type: z.enum(['chardev', 'blockdev']), rdev: rdev.default(0) },
] as const

export const newInode = z.discriminatedUnion('type', [
  z.strictObject({ ...madeShape[0], ...newAttributeShape }),
  z.strictObject({ ...madeShape[1], ...newAttributeShape }),
  z.strictObject({ ...madeShape[2], ...newAttributeShape }),
])
export type NewInodeRequest = z.infer<typeof newInode>

/** A hard link: to an inode, or to what a path (decoded, from the root) names. */
export const newLink = z.union([
  z.strictObject({ type: z.literal('link'), ino: inodeNumber }),
  z.strictObject({ type: z.literal('link'), path: z.string() }),
])
export type NewLinkRequest = z.infer<typeof newLink>

/** exactOptionalPropertyTypes: absent, not undefined. */
export function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> }
}
