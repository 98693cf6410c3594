import { z } from 'zod'
import { FileError } from '../../errors.js'
import { fileName } from '../../storage/path.js'
import {
  append,
  type Entry,
  type ExpectedWrite,
  type Inode,
  overwrite,
  type Place,
  type Precondition,
  type Removed,
  type WritePart,
} from '../../storage/storage.js'
import type { WireOperation, WireRemoved } from '../../wire/operations.js'
import {
  MAX_ENTRIES,
  MAX_PAGE_BYTES,
  MAX_READ_BYTES,
  MAX_REMOVALS,
  PAGE_ENTRIES,
} from '../exchange/answer-bytes.js'
import { withChange } from '../exchange/attempts.js'
import { wireAttributes, wireEntry } from '../exchange/attributes.js'
import { othersBefore } from '../exchange/others-before.js'
import { lookup } from '../exchange/place.js'
import { underLocks } from '../exchange/under-locks.js'
import { completed } from '../input/new-inode.js'
import { rangeParts } from '../input/range-parts.js'
import {
  attributeChanges,
  inodeNumber,
  newAttributes,
  newInode,
  offset,
  removeKind,
} from '../input/schemas.js'
import { firstLock, LOCK_OPERATIONS, madeWithLock } from './lock-operations.js'
import {
  type Answer,
  type Context,
  changeName,
  matching,
  type Operation,
  operation,
} from './operation.js'
import { RANGE_OPERATIONS } from './range-operations.js'
import { readContent, readContents } from './read-content.js'
import { XATTR_OPERATIONS } from './xattr-operations.js'

/** The operations of POST /batch (docs/file-api.md): what each takes, whether it changes something, how it is done. */

const MAX_READ_FILES = 256

const ino = inodeNumber
const name = z.string().transform(fileName)
const place: z.ZodType<Place> = z.strictObject({ directory: ino, name })
const keep = z.boolean().default(false)

export const OPERATIONS: { readonly [Op in WireOperation['op']]: Operation } = {
  root: operation('read', {}, ({ tree }) => tree.stat(tree.root)),
  stat: operation('read', { ino, names: z.array(name).default([]) }, ({ tree }, fields) =>
    fields.names.length === 0 ? tree.stat(fields.ino) : tree.walk(fields.ino, fields.names),
  ),
  lookup: operation('read', { directory: ino, name }, ({ tree }, fields) =>
    tree.lookup(fields.directory, fields.name),
  ),
  list: operation(
    'read',
    {
      directory: ino,
      after: name.optional(),
      limit: z.int().min(1).max(MAX_ENTRIES).default(PAGE_ENTRIES),
    },
    async ({ tree }, { directory, after, limit }) => {
      const page = after === undefined ? { limit } : { after, limit }
      const all = await tree.list(directory, page)
      const entries = leading(all)
      const more = entries.length < all.length || all.length === limit
      return { header: { outcome: 'done', entries: entries.map(wireEntry), more } }
    },
  ),
  read: operation(
    'read',
    {
      ino,
      offset: offset.default(0),
      bytes: z.int().min(0).max(MAX_READ_BYTES).default(MAX_READ_BYTES),
    },
    ({ tree }, fields) => readContent(tree, fields.ino, fields.offset, fields.bytes),
  ),
  readAll: operation(
    'read',
    {
      inos: z.array(ino).min(1).max(MAX_READ_FILES),
      bytes: z.int().min(0).max(MAX_READ_BYTES).default(MAX_READ_BYTES),
    },
    ({ tree }, fields) => readContents(tree, fields.inos, fields.bytes),
  ),
  put: operation(
    'write',
    {
      place,
      mode: z.enum(['create', 'replace']),
      attributes: newAttributes.default({}),
      ifMatch: matching,
    },
    async ({ tree, origin, content, length }, { place, mode, attributes, ifMatch }) => {
      if (mode === 'create' && Symbol.iterator in content) {
        const terms = { precondition: ifMatch, origin }
        const created = await tree.create(place, content[0], attributes, terms)
        if (created !== undefined) return created
      }
      const current = mode === 'replace' ? await lookup(tree, place) : undefined
      const replaces = current?.type === 'file' ? { replaces: current.ino } : {}
      // What is at hand needs no leave to come: whether it fits, the commit says.
      const announced = Symbol.iterator in content ? {} : { size: length }
      const upload = await tree.upload({ ...announced, ...replaces })
      try {
        await upload.write(content)
        const holds: Precondition = (current) => {
          if (mode === 'create') absent(current)
          ifMatch(current)
        }
        const { inode } = await upload.commit(place, attributes, holds, origin)
        return inode
      } catch (error) {
        await upload.abort()
        throw error
      }
    },
  ),
  write: operation(
    'write',
    {
      ino,
      offset: z.union([z.literal('append'), offset]),
      changes: attributeChanges.optional(),
      ifMatch: matching,
      change: changeName,
    },
    (context, { ino, offset: start, changes, ifMatch, change }) => {
      const { tree, content, length } = context
      const offset: WritePart['offset'] = start === 'append' ? append : start
      const expected: ExpectedWrite = { offset, length }
      const from = withChange(underLocks(context, ino), change)
      return tree.write(ino, parts(content, offset), ifMatch, from, changes, expected)
    },
  ),
  writeRanges: operation(
    'write',
    { ino, changes: attributeChanges.optional(), ifMatch: matching, change: changeName },
    (context, { ino, changes, ifMatch, change }) => {
      const { tree, content, length } = context
      const from = withChange(underLocks(context, ino), change)
      return tree.write(ino, rangeParts(oneByOne(content)), ifMatch, from, changes, { length })
    },
  ),
  make: operation(
    'write',
    {
      place,
      what: newInode,
      attributes: newAttributes.default({}),
      lock: firstLock.optional(),
      change: changeName,
    },
    (context, { place, what, attributes, lock, change }) => {
      const { tree } = context
      const origin = withChange(context.origin, change)
      const make = () => tree.make(place, what, completed(what, attributes), origin)
      return lock === undefined ? named(context, make()) : madeWithLock(context, lock, make)
    },
  ),
  makeNameless: operation(
    'write',
    { directory: ino, attributes: newAttributes.default({}) },
    ({ tree, origin }, { directory, attributes }) =>
      tree.makeNameless(directory, completed({ type: 'file' }, attributes), origin),
  ),
  link: operation('write', { ino, place, change: changeName }, (context, fields) => {
    const origin = withChange(context.origin, fields.change)
    return named(context, context.tree.link(fields.ino, fields.place, origin))
  }),
  remove: operation(
    'write',
    { place, kind: removeKind, keep, ifMatch: matching },
    ({ tree, origin }, { place, kind, keep, ifMatch }) =>
      tree.remove(place, { kind, keep, precondition: ifMatch }, origin),
  ),
  removeAll: operation(
    'write',
    {
      removals: z
        .array(z.strictObject({ place, kind: removeKind }))
        .min(1)
        .max(MAX_REMOVALS),
    },
    async ({ tree, origin }, { removals }) => {
      const removed = await tree.removeAll(removals, origin)
      return { header: { outcome: 'done', removed: removed.map(wireRemoved) } }
    },
  ),
  release: operation('write', { ino }, async ({ tree }, fields) => {
    await tree.release(fields.ino, overwrite)
    return { header: { outcome: 'done' } }
  }),
  rename: operation(
    'write',
    {
      from: place,
      to: place,
      mode: z.enum(['replace', 'noreplace', 'exchange']),
      keep,
      ifMatch: matching,
      change: changeName,
    },
    (context, { from, to, mode, keep, ifMatch, change }) => {
      const how = { mode, keep, source: ifMatch, precondition: overwrite }
      const renamed = context.tree.rename(from, to, how, withChange(context.origin, change))
      return named(
        context,
        renamed.then(({ inode }) => inode),
      )
    },
  ),
  setAttributes: operation(
    'write',
    { ino, changes: attributeChanges, ifMatch: matching, change: changeName },
    (context, { ino, changes, ifMatch, change }) => {
      const origin = changes.size === undefined ? context.origin : underLocks(context, ino)
      return context.tree.setAttributes(ino, changes, ifMatch, withChange(origin, change))
    },
  ),
  ...LOCK_OPERATIONS,
  ...RANGE_OPERATIONS,
  ...XATTR_OPERATIONS,
}

/** What got a name. */
async function named({ tree, origin }: Context, inode: Promise<Inode>): Promise<Answer> {
  return { inode: await inode, isNew: true, ...othersBefore(tree, origin) }
}

function wireRemoved(removed: Removed): WireRemoved {
  if (removed.kind === 'removed') return { attributes: wireAttributes(removed.inode) }
  const { code, message: detail } = removed.error
  return { code, detail }
}

const absent: Precondition = (current) => {
  if (current !== undefined) throw new FileError('EEXIST', 'it exists already')
}

/** As many of them as may be in one answer. */
function leading(entries: readonly Entry[]): readonly Entry[] {
  let room = MAX_PAGE_BYTES
  const end = entries.findIndex(({ name, inode }, index) => {
    // a character has six bytes at most, as \u escapes do; all else of an entry has less than 512
    room -= 512 + 6 * (name.length + (inode.target?.length ?? 0))
    return room < 0 && index > 0
  })
  return end === -1 ? entries : entries.slice(0, end)
}

async function* parts(
  source: AsyncIterable<Buffer> | Iterable<Buffer>,
  start: WritePart['offset'],
): AsyncGenerator<readonly WritePart[]> {
  let position = start
  for await (const data of source) {
    yield [{ offset: position, data }]
    if (position !== append) position += data.length
  }
}

async function* oneByOne(
  source: AsyncIterable<Buffer> | Iterable<Buffer>,
): AsyncGenerator<readonly Buffer[]> {
  for await (const piece of source) yield [piece]
}
