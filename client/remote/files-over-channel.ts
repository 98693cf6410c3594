import type { WireAttributes, WireEntry } from '../../server/wire/inodes.js'
import { bytesOf, isAtHand, whole } from '../http/upload-content.js'
import { type Asked, asking } from './asking.js'
import { CHANNEL_BYTES, type Channels, type Reply } from './channel.js'
import type { FileRequests } from './file-requests.js'
import { tellLease } from './locks-over-channel.js'
import { creation } from './make-once.js'
import type { RemoteFiles, RemoteRemoval, RemovalOutcome, WriteOptions } from './remote-files.js'
import { outcomes, removeAll, removedOneByOne, together } from './removed-together.js'
import { bytesRead, copied, names, offset, page, readContents } from './reply-content.js'
import { type Turn, UnawaitedFirst } from './unawaited-first.js'
import { checkedAttributes } from './wire-attributes.js'
import { isOneStretch, ranges } from './write-request.js'

/** Entries of one page: they must not keep others waiting for long. */
const PAGE = 1_000
/** Ranges of one write. */
const MOST_PARTS = 1_024

/** Small operations over channels, at a fraction of a request's cost; large ones as requests. */
export function filesOverChannels(
  channels: Pick<Channels, 'ask' | 'choose'>,
  requests: FileRequests,
  first: RemoteFiles,
  again: RemoteFiles,
): RemoteFiles {
  const asked = asking(channels, requests, first, again)
  const order = new UnawaitedFirst(channels)
  const changed: Asked = (operation, content, answer, otherwise) =>
    asked(operation, content, answer, otherwise, order.turn())

  async function removedTogether(
    removals: readonly RemoteRemoval[],
    turn: Turn,
  ): Promise<RemovalOutcome[]> {
    const oneByOne = (files: RemoteFiles) => removedOneByOne(files, removals)
    try {
      return await asked(
        removeAll(removals),
        undefined,
        (reply) => {
          const all = outcomes(reply, removals.length)
          for (const [at, { directory, name }] of removals.entries()) {
            if (all[at]?.status === 'fulfilled') requests.unseen(directory, name)
          }
          return all
        },
        oneByOne,
        turn,
      )
    } catch {
      // What is wrong for all of them is told of each. What went out behind them may have been done.
      await turn.before
      return oneByOne(again)
    }
  }

  const attributes = ({ result }: Reply): WireAttributes =>
    checkedAttributes(result.outcome === 'done' ? result.attributes : undefined)
  const seen = (reply: Reply) => requests.seen(attributes(reply))
  const seenOf = (ino: number) => (reply: Reply) => requests.seenOf(ino, attributes(reply))
  const named = (directory: number, name: string) => (reply: Reply) =>
    requests.seen(attributes(reply), directory, name)
  const place = (directory: number, name: string) => ({ directory, name })

  return {
    ...first,
    keepsOrder: true,
    stat: (ino, signal) =>
      asked({ op: 'stat', ino }, undefined, seenOf(ino), (files) => files.stat(ino, signal)),
    lookup: (directory, name, signal) =>
      asked({ op: 'lookup', directory, name }, undefined, named(directory, name), (files) =>
        files.lookup(directory, name, signal),
      ),
    async *list(directory, signal, start): AsyncIterable<readonly WireEntry[]> {
      for (let after = start, more = true; more; ) {
        const from = after === undefined ? {} : { after }
        const listed = await asked(
          { op: 'list', directory, limit: PAGE, ...from },
          undefined,
          page,
          async () => undefined,
        )
        if (listed === undefined) {
          yield* first.list(directory, signal, after)
          return
        }
        for (const entry of listed.entries) requests.seen(entry, directory, entry.name)
        after = listed.entries.at(-1)?.name
        more = listed.more && after !== undefined
        yield listed.entries
      }
    },
    read(ino, offset, length, signal) {
      if (length > CHANNEL_BYTES || length === 0) return first.read(ino, offset, length, signal)
      return asked(
        { op: 'read', ino, offset, bytes: length },
        undefined,
        (reply) => ({
          data: bytesRead(reply, length),
          attributes: requests.seenOf(ino, attributes(reply)),
        }),
        (files) => files.read(ino, offset, length, signal),
      )
    },
    async readAll(inos, bytes) {
      const most = Math.min(bytes, CHANNEL_BYTES)
      const contents = await asked(
        { op: 'readAll', inos: [...inos], bytes: most },
        undefined,
        readContents,
        // Whoever needs one of them asks for it.
        async () => [],
      )
      for (const content of contents) if (content !== undefined) requests.seen(content.attributes)
      return contents
    },
    write(ino, parts, options) {
      const [part] = parts
      const data = parts.map((each) => each.data)
      const bytes = data.reduce((sum, { length }) => sum + length, 0)
      if (part === undefined || bytes === 0 || bytes > CHANNEL_BYTES || parts.length > MOST_PARTS) {
        return order.after(() => first.write(ino, parts, options))
      }
      const change = options?.change ?? requests.nameChange()
      const given = {
        ino,
        ...(options?.attributes !== undefined && { changes: options.attributes }),
        ...(options?.ifMatch !== undefined && { ifMatch: options.ifMatch }),
        ...durable(options?.durability),
        change,
      }
      const named = { durability: 'power', ...options, change } as const
      const otherwise = (files: RemoteFiles) => files.write(ino, parts, named)
      return isOneStretch(parts)
        ? changed(
            { op: 'write', offset: part.offset, ...given },
            whole(data),
            seenOf(ino),
            otherwise,
          )
        : changed({ op: 'writeRanges', ...given }, ranges(parts), seenOf(ino), otherwise)
    },
    seek: (ino, from, what, signal) =>
      asked({ op: 'seek', ino, offset: from, what }, undefined, offset, (files) =>
        files.seek(ino, from, what, signal),
      ),
    zero(ino, { offset, length, extend }, { change = requests.nameChange() } = {}) {
      const asks = { op: 'zero', ino, offset, bytes: length, extend, change } as const
      return changed(asks, undefined, seenOf(ino), (files) =>
        files.zero(ino, { offset, length, extend }, { change }),
      )
    },
    copyRange(from, to, length, { change = requests.nameChange() } = {}) {
      // Others must not wait behind a long one.
      if (length > CHANNEL_BYTES)
        return order.after(() => first.copyRange(from, to, length, { change }))
      return changed(
        { op: 'copyRange', from, to, bytes: length, change },
        undefined,
        (reply) => ({ copied: copied(reply, length), attributes: seenOf(to.ino)(reply) }),
        (files) => files.copyRange(from, to, length, { change }),
      )
    },
    put(directory, name, content, options) {
      if (!isAtHand(content) || bytesOf(content) > CHANNEL_BYTES) {
        return order.after(() => first.put(directory, name, content, options))
      }
      const made = options.mode === 'create' ? creation(options.attributes) : options.attributes
      return changed(
        {
          op: 'put',
          place: place(directory, name),
          mode: options.mode,
          attributes: options.ino === undefined ? made : { ...made, ino: options.ino },
          ...durable(options.durability),
        },
        whole(content),
        named(directory, name),
        (files) => files.put(directory, name, content, { ...options, attributes: made }),
      )
    },
    make(directory, name, what, given, { lease, change = requests.nameChange() } = {}) {
      const made = creation(given)
      const wish = lease && { lock: { request: lease.request, lock: lease.lock } }
      return changed(
        { op: 'make', place: place(directory, name), what, attributes: made, change, ...wish },
        undefined,
        (reply) => {
          if (lease !== undefined) tellLease(lease, reply)
          return named(directory, name)(reply)
        },
        (files) => files.make(directory, name, what, made, { change }),
      )
    },
    makeNameless: (directory, given) =>
      changed({ op: 'makeNameless', directory, attributes: given }, undefined, seen, (files) =>
        files.makeNameless(directory, given),
      ),
    link: (ino, directory, name, { change = requests.nameChange() } = {}) =>
      changed(
        { op: 'link', ino, place: place(directory, name), change },
        undefined,
        named(directory, name),
        (files) => files.link(ino, directory, name, { change }),
      ),
    remove: (directory, name, kind, options) =>
      changed(
        { op: 'remove', place: place(directory, name), kind, keep: options.keep },
        undefined,
        (reply): WireAttributes | undefined => {
          requests.unseen(directory, name)
          return attributes(reply)
        },
        (files) => files.remove(directory, name, kind, options),
      ),
    async removeAll(removals) {
      const all = [...together(removals)].map((some) =>
        order.first((turn) => removedTogether(some, turn)),
      )
      return (await Promise.all(all)).flat()
    },
    rename(from, to, options) {
      // Swapping needs to know beforehand which is which; it is rare.
      if (options.mode === 'exchange') return order.after(() => first.rename(from, to, options))
      const named = { ...options, change: options.change ?? requests.nameChange() }
      return changed(
        { op: 'rename', from, to, ...named },
        undefined,
        (reply): WireAttributes | undefined => {
          requests.unseen(from.directory, from.name)
          return requests.seen(attributes(reply), to.directory, to.name)
        },
        (files) => files.rename(from, to, named),
      )
    },
    setAttributes(
      ino,
      changes,
      { durability = 'process', change = requests.nameChange(), isUnawaited, ...more } = {},
    ) {
      const asks = { op: 'setAttributes', ino, changes, change, ...more } as const
      const set = (turn: Turn) =>
        asked(
          { ...asks, ...durable(durability) },
          undefined,
          seenOf(ino),
          (files) => files.setAttributes(ino, changes, { durability, change, ...more }),
          turn,
        )
      return isUnawaited === true ? order.first(set) : set(order.turn())
    },
    sync: (ino) =>
      asked(
        { op: 'stat', ino, durability: 'power' },
        undefined,
        () => {},
        (files) => files.sync(ino),
      ),
    getXattr: (ino, name) =>
      asked(
        { op: 'getXattr', ino, name },
        undefined,
        ({ content }) => content,
        (files) => files.getXattr(ino, name),
      ),
    listXattrs: (ino) =>
      asked({ op: 'listXattrs', ino }, undefined, names, (files) => files.listXattrs(ino)),
  }
}

/** Without being told, a server answers once it is durable. */
function durable(durability: WriteOptions['durability'] = 'power'): { durability?: 'power' } {
  return durability === 'power' ? { durability } : {}
}
