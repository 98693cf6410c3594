import { HEADERS } from '../../server/wire/headers.js'
import type { WireAttributes, WireEntry } from '../../server/wire/inodes.js'
import { COPY_TYPE, ZERO_TYPE } from '../../server/wire/patch.js'
import { hasCode, RemoteError } from '../remote-error.js'
import { type FileRequests, namePath } from './file-requests.js'
import { creation, linkOnce, makeOnce, putOnce } from './make-once.js'
import { changeOnce, renameOnce, writeOnce } from './once.js'
import type { RemoteContent, RemoteFiles } from './remote-files.js'
import {
  bodyAttributes,
  bodyEntries,
  bodyNumbers,
  bodyOffset,
  bodyStrings,
  headerAttributes,
  successful,
} from './wire-answer.js'
import { conditionHeaders } from './write-request.js'

/** Entries a page of a directory: about 800 KiB of JSON. */
const PAGE = 2_000
const HEADER_ROOM = 64 * 1024

/** What the server confirms of a name or attribute: as a local file system, on its disk with the next fsync(2). */
const LIKE_A_DISK = { [HEADERS.durability]: 'process' }

/** docs/file-api.md as RemoteFiles; docs/retries.md says how each change is made only once. */
export function filesOverHttp(requests: FileRequests, rootTarget: string): RemoteFiles {
  const seen = requests.seen.bind(requests)

  return {
    async root(signal) {
      const answer = await requests.repeated({ method: 'HEAD', target: rootTarget, signal })
      return seen(headerAttributes(answer))
    },
    stat: (ino, signal) => requests.retry(() => requests.stat(ino, signal), signal),
    lookup: (directory, name, signal) =>
      requests.retry(() => requests.lookup(directory, name, signal), signal),

    async *list(directory, signal, from): AsyncIterable<readonly WireEntry[]> {
      for (let after = from, more = true; more; ) {
        const where = after === undefined ? '' : `&after=${encodeURIComponent(after)}`
        const target = `/inodes/${directory}?limit=${PAGE}${where}`
        const answer = await requests.repeated({ method: 'GET', target, signal })
        const entries = bodyEntries(answer)
        for (const entry of entries) seen(entry, directory, entry.name)
        after = entries.at(-1)?.name
        more = after !== undefined && /rel="?next"?/.test(String(answer.headers.link ?? ''))
        yield entries
      }
    },

    async read(ino, offset, length, signal): Promise<RemoteContent> {
      if (length === 0) return { data: Buffer.alloc(0), attributes: await this.stat(ino, signal) }
      const answer = await requests.retry(
        () =>
          requests.ask({
            method: 'GET',
            target: `/inodes/${ino}`,
            headers: { Range: `bytes=${offset}-${offset + length - 1}` },
            limit: length + HEADER_ROOM,
            signal,
          }),
        signal,
      )
      // The range begins at or after the end (RFC 9110 section 15.5.17).
      if (answer.status === 416) {
        return { data: Buffer.alloc(0), attributes: await this.stat(ino, signal) }
      }
      const attributes = requests.seenOf(ino, headerAttributes(successful(answer)))
      if (answer.status === 206) {
        const release = answer.release === undefined ? {} : { release: answer.release }
        return { data: exactly(answer.body, offset, length, attributes), attributes, ...release }
      }
      return { data: answer.body.subarray(offset, offset + length), attributes }
    },

    write: (ino, parts, options) =>
      writeOnce(requests, ino, parts, options ?? { durability: 'power' }),

    async seek(ino, offset, what, signal) {
      const target = `/inodes/${ino}?seek=${what}&offset=${offset}`
      return bodyOffset(await requests.repeated({ method: 'GET', target, signal }))
    },
    zero(ino, { offset, length, extend }, named = {}) {
      return changeOnce(requests, ino, { durability: 'process', ...named }, async (headers) => {
        const answer = await requests.succeed({
          method: 'PATCH',
          target: `/inodes/${ino}`,
          headers: { ...headers, 'Content-Type': ZERO_TYPE },
          json: { offset, bytes: length, extend },
        })
        return headerAttributes(answer)
      })
    },
    async copyRange(from, to, length, named = {}) {
      let copied: number | undefined
      const options = { durability: 'process', ...named } as const
      const attributes = await changeOnce(requests, to.ino, options, async (headers) => {
        const answer = await requests.succeed({
          method: 'PATCH',
          target: `/inodes/${to.ino}`,
          headers: { ...headers, 'Content-Type': COPY_TYPE },
          json: { from, offset: to.offset, bytes: length },
        })
        copied = bodyNumbers(answer, ['copied']).copied
        return headerAttributes(answer)
      })
      return { copied, attributes }
    },

    put: (directory, name, content, options) =>
      putOnce(requests, { directory, name }, content, options),
    make: (directory, name, what, attributes, { change } = {}) =>
      makeOnce(requests, { directory, name }, what, creation(attributes), change),

    /** Asked twice it makes two, of which the server drops the one that nobody uses. */
    async makeNameless(directory, attributes) {
      const answer = await requests.repeated({
        method: 'POST',
        target: `/inodes/${directory}?nameless`,
        headers: LIKE_A_DISK,
        json: attributes,
      })
      return seen(bodyAttributes(answer))
    },

    link: (ino, directory, name, { change } = {}) =>
      linkOnce(requests, { directory, name }, ino, change),

    remove(directory, name, kind, { keep, ino }) {
      const known = ino ?? requests.knownIno(directory, name)
      return requests.retry(async (earlier) => {
        if (earlier === 'perhaps done') {
          const there = await requests.left(directory, name)
          // What we have never seen is somebody else's and stays.
          if (there === undefined || (known !== undefined && there.ino !== known)) return undefined
        }
        const answer = await requests.succeed({
          method: 'DELETE',
          target: `${namePath(directory, name)}?kind=${kind}${keep ? '&keep' : ''}`,
          headers: LIKE_A_DISK,
        })
        requests.unseen(directory, name)
        return headerAttributes(answer)
      })
    },

    release(ino) {
      return requests.retry(async () => {
        try {
          await requests.succeed({ method: 'DELETE', target: `/inodes/${ino}` })
        } catch (error) {
          if (!hasCode(error, 'ENOENT') && !hasCode(error, 'ESTALE')) throw error
        }
      })
    },

    rename: (from, to, options) => renameOnce(requests, from, to, options),

    setAttributes(ino, changes, { ifMatch, change, durability = 'process' } = {}) {
      return changeOnce(requests, ino, { durability, change }, async (headers) => {
        const answer = await requests.succeed({
          method: 'PATCH',
          target: `/inodes/${ino}`,
          headers: { ...headers, ...conditionHeaders({ ifMatch }) },
          json: changes,
        })
        return bodyAttributes(answer)
      })
    },

    made: (ino, change, by) => requests.retry(() => requests.made(ino, change, 'process', by)),

    async getXattr(ino, name) {
      return (await requests.repeated({ method: 'GET', target: xattrTarget(ino, name) })).body
    },
    async listXattrs(ino) {
      return bodyStrings(
        await requests.repeated({ method: 'GET', target: `/inodes/${ino}?xattrs` }),
      )
    },
    setXattr(ino, name, value, mode) {
      const target = xattrTarget(ino, name) + (mode === 'either' ? '' : `&mode=${mode}`)
      return requests.retry(async (earlier) => {
        try {
          await requests.succeed({ method: 'PUT', target, headers: LIKE_A_DISK, content: value })
        } catch (error) {
          if (earlier === 'none' || !hasCode(error, 'EEXIST')) throw error
          const there = await requests.succeed({ method: 'GET', target: xattrTarget(ino, name) })
          if (!there.body.equals(value)) throw error
        }
      })
    },
    removeXattr(ino, name) {
      return requests.retry(async (earlier) => {
        try {
          await requests.succeed({
            method: 'DELETE',
            target: xattrTarget(ino, name),
            headers: LIKE_A_DISK,
          })
        } catch (error) {
          if (earlier === 'none' || !hasCode(error, 'ENODATA')) throw error
        }
      })
    },

    async sync(ino) {
      await requests.repeated({ method: 'POST', target: `/inodes/${ino}?sync` })
    },
    async reserve(count) {
      const target = `/inodes?reserve=${count}`
      const answer = await requests.repeated({ method: 'POST', target })
      return bodyNumbers(answer, ['first']).first
    },
    async totals() {
      return bodyNumbers(await requests.repeated({ method: 'GET', target: '/totals' }), [
        'block_size',
        'total_bytes',
        'free_bytes',
        'total_inodes',
        'free_inodes',
        'name_max',
      ])
    },
  }
}

/** A part must be as long as was asked, except at the end of the file. */
function exactly(data: Buffer, offset: number, length: number, { size }: WireAttributes): Buffer {
  const expected = Math.min(length, size - offset)
  if (data.length === expected) return data
  throw new RemoteError('EIO', `${data.length} bytes came instead of ${expected}`)
}

function xattrTarget(ino: number, name: string): string {
  return `/inodes/${ino}?xattr=${encodeURIComponent(name)}`
}
