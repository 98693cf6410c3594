import { uploadContent } from '../../../client/http/upload-content.js'
import type {
  RemoteFiles,
  RemoteNewAttributes,
  RemoteNews,
  RemotePart,
  RemovalOutcome,
  WriteOptions,
} from '../../../client/remote/remote-files.js'
import { RemoteError } from '../../../client/remote-error.js'
import { wireAttributes, wireEntry, wireTotals } from '../../../server/api/exchange/attributes.js'
import { FileError, PreconditionFailed } from '../../../server/errors.js'
import { type FileName, fileName } from '../../../server/storage/path.js'
import {
  type AttributeChanges,
  append,
  type Inode,
  type NewInode,
  overwrite,
  type Precondition,
  type Tree,
  type WritePart,
} from '../../../server/storage/storage.js'
import type {
  WireAttributeChanges,
  WireAttributes,
  WireEntry,
} from '../../../server/wire/inodes.js'
import type { Fault } from './locks/local-locks.js'

/** Entries of one answer. */
export const LISTED_AT_ONCE = 1000

/** What the mount asked, in order: `"stat 7"`, `"write 9"`, … */
export interface Requests {
  readonly made: string[]
  count(operation: string): number
  clear(): void
}

/** The storage engine behind RemoteFiles without HTTP between; counts requests and fails on demand. */
export function localRemoteFiles(
  tree: Tree,
  connection: string,
): {
  files: Required<Omit<RemoteFiles, 'locks' | 'journals' | 'keepsOrder' | 'sent' | 'isAway'>>
  requests: Requests
  /** While it returns an error the operation fails with it; after it returned undefined all goes well. */
  fault: Fault
} {
  const made: string[] = []
  const origin = { connection }
  let writes = 0
  const fault: Fault = {}

  async function asked<T>(operation: string, what: string | number, work: () => Promise<T>) {
    made.push(`${operation} ${what}`)
    const error = fault.next?.(operation)
    if (error !== undefined) throw error
    try {
      const begins = fault.before?.(operation)
      if (begins !== undefined) await begins
      const answer = await work()
      const arrives = fault.answer?.(operation)
      if (arrives !== undefined) await arrives
      return answer
    } catch (cause) {
      if (cause instanceof FileError || cause instanceof PreconditionFailed) {
        throw new RemoteError(cause.code, cause.message, { cause })
      }
      throw cause
    }
  }

  /** As over HTTP: who gets no answer is told by what name the change is known. */
  async function named<T>(
    work: (change: string) => Promise<T>,
    change = `change ${++writes}`,
  ): Promise<T> {
    try {
      return await work(change)
    } catch (cause) {
      if (!(cause instanceof RemoteError) || cause.code !== 'EIO') throw cause
      throw new RemoteError(cause.code, cause.message, { cause, change })
    }
  }

  const place = (directory: number, name: string) => ({ directory, name: fileName(name) })

  let others = -1
  function gave(inode: Inode): WireAttributes {
    others = Math.max(others, tree.changes.newestOfOthers(connection) ?? -1)
    return wireAttributes(inode)
  }

  const files: Required<
    Omit<RemoteFiles, 'locks' | 'journals' | 'keepsOrder' | 'sent' | 'isAway'>
  > = {
    root: () => asked('root', '', async () => wireAttributes(await tree.stat(tree.root))),
    stat: (ino) => asked('stat', ino, async () => wireAttributes(await tree.stat(ino))),
    lookup: (directory, name) =>
      asked('lookup', name, async () =>
        wireAttributes(await tree.lookup(directory, fileName(name))),
      ),
    async *list(directory): AsyncIterable<readonly WireEntry[]> {
      for (let after: FileName | undefined, more = true; more; ) {
        const page = { limit: LISTED_AT_ONCE + 1, ...(after === undefined ? {} : { after }) }
        const entries = await asked('list', directory, () => tree.list(directory, page))
        more = entries.length > LISTED_AT_ONCE
        after = entries[LISTED_AT_ONCE - 1]?.name
        yield entries.slice(0, LISTED_AT_ONCE).map(wireEntry)
      }
    },
    read: (ino, offset, length) =>
      asked('read', ino, async () => {
        const content = await tree.open(ino)
        try {
          const data = await content.read(offset, length)
          return { data, attributes: wireAttributes(content.inode) }
        } finally {
          await content.close()
        }
      }),
    readAll: (inos) =>
      asked('readAll', inos.length, () =>
        Promise.all(
          inos.map(async (ino) => {
            try {
              const content = await tree.open(ino)
              const data = await content.read(0, content.inode.size)
              await content.close()
              return { data, attributes: wireAttributes(content.inode) }
            } catch {
              return undefined
            }
          }),
        ),
      ),
    write: (ino, parts, options) =>
      named(
        (change) =>
          asked('write', `${ino}${durable(options)}`, async () =>
            wireAttributes(
              await tree.write(
                ino,
                parts.map(writePart),
                matching(options?.ifMatch),
                { ...origin, change, mustBeWanted: () => fault.mustHold?.(ino) },
                changes(options?.attributes ?? {}),
              ),
            ),
          ),
        options?.change,
      ),
    made: (ino, change, by = connection) =>
      asked('made', ino, async () => {
        const found = await tree.changes.made(by, change)
        if (found === undefined) return undefined
        const { version = 0 } = found
        return { ...wireAttributes(await tree.stat(ino)), made: version }
      }),
    seek: (ino, offset, what) => asked('seek', ino, () => tree.seek(ino, offset, what)),
    zero: (ino, range) =>
      asked('zero', ino, async () =>
        wireAttributes(await tree.zero(ino, range, overwrite, origin)),
      ),
    copyRange: (from, to, length) =>
      asked('copyRange', `${from.ino} ${to.ino}`, async () => {
        const { inode, bytes } = await tree.copyRange({ from, to, length }, overwrite, origin)
        const copied = fault.forgets?.() === true ? undefined : bytes
        return { copied, attributes: wireAttributes(inode) }
      }),
    put: (directory, name, content, options) =>
      asked('put', `${name}${durable(options)}`, async () => {
        const { size, open } = uploadContent(content)
        const upload = await tree.upload({ size })
        await upload.write(open())
        const attributes = newAttributes(options.attributes)
        const { inode } = await upload.commit(
          place(directory, name),
          { ...attributes, ...(options.ino === undefined ? {} : { ino: options.ino }) },
          (current) => {
            if (options.mode === 'create' && current !== undefined) {
              throw new PreconditionFailed('EEXIST', `${name} exists`)
            }
          },
          origin,
        )
        return wireAttributes(inode)
      }),
    make: (directory, name, what, attributes) =>
      asked('make', name, async () =>
        gave(
          await tree.make(
            place(directory, name),
            what as NewInode,
            { mode: 0o644, uid: 0, gid: 0, ...newAttributes(attributes) },
            origin,
          ),
        ),
      ),
    makeNameless: (directory, attributes) =>
      asked('makeNameless', directory, async () =>
        wireAttributes(
          await tree.makeNameless(
            directory,
            { mode: 0o644, uid: 0, gid: 0, ...newAttributes(attributes) },
            origin,
          ),
        ),
      ),
    link: (ino, directory, name) =>
      asked('link', name, async () => gave(await tree.link(ino, place(directory, name), origin))),
    remove: (directory, name, kind, { keep }) =>
      asked('remove', name, async () => {
        const how = { kind, keep, precondition: overwrite }
        return wireAttributes(await tree.remove(place(directory, name), how, origin))
      }),
    removeAll: (removals) =>
      asked('removeAll', removals.length, async () => {
        const outcomes: RemovalOutcome[] = []
        for (const { directory, name, kind } of removals) {
          const removal = files.remove(directory, name, kind, { keep: false })
          outcomes.push(...(await Promise.allSettled([removal])))
        }
        return outcomes
      }),
    release: (ino) => asked('release', ino, () => tree.release(ino, overwrite)),
    rename: (from, to, { mode, keep }) =>
      asked('rename', from.name, async () => {
        const { inode } = await tree.rename(
          place(from.directory, from.name),
          place(to.directory, to.name),
          { mode, keep, source: overwrite, precondition: overwrite },
          origin,
        )
        return gave(inode)
      }),
    setAttributes: (ino, asks, { durability = 'process', ifMatch, change: name } = {}) =>
      named(
        (change) =>
          asked('setAttributes', `${ino}${durable({ durability })}`, async () => {
            const holds = matching(ifMatch)
            const from = { ...origin, change }
            return wireAttributes(await tree.setAttributes(ino, changes(asks), holds, from))
          }),
        name,
      ),
    getXattr: (ino, name) => asked('getXattr', ino, () => tree.getXattr(ino, name)),
    listXattrs: (ino) => asked('listXattrs', ino, () => tree.listXattrs(ino)),
    setXattr: (ino, name, value, mode) =>
      asked('setXattr', ino, async () => {
        await tree.setXattr(ino, name, value, mode, overwrite, origin)
      }),
    removeXattr: (ino, name) =>
      asked('removeXattr', ino, async () => {
        await tree.removeXattr(ino, name, overwrite, origin)
      }),
    sync: (ino) => asked('sync', ino, async () => {}),
    reserve: (count) => asked('reserve', count, () => tree.reserve(count)),
    othersUpTo: () => others,
    hurryChanges: () => {},
    async *changes(signal): AsyncGenerator<RemoteNews> {
      let seq = await tree.changes.newest()
      yield { kind: 'connected' }
      yield { kind: 'told', newest: seq }
      while (!signal.aborted) {
        await tree.changes.wait(seq, signal).catch(() => {})
        if (signal.aborted) return
        const page = await tree.changes.after(seq, 500)
        if (page.kind === 'expired') throw new Error('the log is too short for this test')
        for (const change of page.changes) {
          seq = change.seq
          if (change.origin !== connection) yield { kind: 'change', change: { ...change } }
        }
      }
    },
    totals: () => asked('totals', '', async () => wireTotals(await tree.totals(), 255)),
  }
  const requests: Requests = {
    made,
    count: (operation) => made.filter((request) => request.startsWith(`${operation} `)).length,
    clear: () => {
      made.length = 0
    },
  }
  return { files, requests, fault }
}

function matching(etag: string | undefined): Precondition {
  if (etag === undefined) return overwrite
  return (current) => {
    if (current !== undefined && wireAttributes(current).etag === etag) return
    throw new PreconditionFailed('ESTALE', 'it is no longer what the client saw')
  }
}

function durable(options: WriteOptions | undefined): string {
  return options?.durability === 'process' ? '' : ' durably'
}

function writePart({ offset, data }: RemotePart): WritePart {
  return { offset: offset === 'append' ? append : offset, data }
}

function changes({ atime, mtime, ...rest }: WireAttributeChanges): AttributeChanges {
  return {
    ...rest,
    ...(atime === undefined ? {} : { atime: atime === 'now' ? atime : BigInt(atime) }),
    ...(mtime === undefined ? {} : { mtime: mtime === 'now' ? mtime : BigInt(mtime) }),
  }
}

function newAttributes({ atime, mtime, ...rest }: RemoteNewAttributes) {
  return {
    ...rest,
    ...(atime === undefined ? {} : { atime: BigInt(atime) }),
    ...(mtime === undefined ? {} : { mtime: BigInt(mtime) }),
  }
}
