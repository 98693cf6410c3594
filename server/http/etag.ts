import { createHash } from 'node:crypto'
import { FileError } from '../errors.js'

/** entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE (RFC 9110 section 8.8.3) */
export interface EntityTag {
  readonly weak: boolean
  /** With its quotes. */
  readonly opaque: string
}

/** The field of If-Match and If-None-Match: "*" / #entity-tag (RFC 9110 section 13.1). */
export type EntityTags = { kind: 'any' } | { kind: 'tags'; tags: readonly EntityTag[] }

/** etagc = %x21 / %x23-7E / obs-text (RFC 9110 section 8.8.3) */
const ENTITY_TAG = /^(W\/)?("[\x21\x23-\x7e\x80-\xff]*")$/
/** The same at the start of what is left of a list, with the commas and white space that follow. */
const LIST_ITEM = /^(W\/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?:,[ \t,]*|$)/

/** Changes with the content and only with it: what RFC 9110 section 8.8.1 calls a strong validator. */
export function strongEtag(inode: { ino: number; version: number }): string {
  return `"${inode.ino}-${inode.version}"`
}

/** Of something small that has no version: made of its bytes, so it is as strong. */
export function contentEtag(content: Buffer): string {
  return `"${createHash('sha256').update(content).digest('base64url')}"`
}

export function parseEntityTag(field: string): EntityTag | undefined {
  const match = ENTITY_TAG.exec(field.trim())
  if (match?.[2] === undefined) return undefined
  return { weak: match[1] !== undefined, opaque: match[2] }
}

/** @throws FileError EINVAL: a precondition nobody understands must not be dropped */
export function parseEntityTags(name: string, field: string): EntityTags {
  if (field.trim() === '*') return { kind: 'any' }
  const tags: EntityTag[] = []
  let rest = field.replace(/^[ \t,]+/, '')
  while (rest !== '') {
    const match = LIST_ITEM.exec(rest)
    if (match?.[2] === undefined) throw malformed(name)
    tags.push({ weak: match[1] !== undefined, opaque: match[2] })
    rest = rest.slice(match[0].length)
  }
  if (tags.length === 0) throw malformed(name)
  return { kind: 'tags', tags }
}

/** Strong comparison (RFC 9110 section 8.8.3.2): neither is weak, and the opaque parts are the same. "*" is what is there at all. */
export function matchesStrongly(tags: EntityTags, etag: string | undefined): boolean {
  return tags.kind === 'any' || tags.tags.some((tag) => !tag.weak && tag.opaque === etag)
}

/** Weak comparison (RFC 9110 section 8.8.3.2): the opaque parts are the same. */
export function matchesWeakly(tags: EntityTags, etag: string | undefined): boolean {
  return tags.kind === 'any' || tags.tags.some((tag) => tag.opaque === etag)
}

function malformed(name: string): FileError {
  return new FileError('EINVAL', `${name} must be "*" or a list of entity tags in double quotes`)
}
