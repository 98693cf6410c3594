import type { WireEntry } from '../../server/wire/inodes.js'
import { RemoteError } from '../remote-error.js'
import type { Reply } from './channel.js'
import type { RemoteContent } from './remote-files.js'
import { checkedAttributes, checkedEntries } from './wire-attributes.js'
import { checkedCount, checkedStrings, isCount, isRecord } from './wire-values.js'

/** What the answers of a channel say beside attributes, parsed. Each throws RemoteError EIO for what makes no sense. */

/** What `read` brought of so many bytes. */
export function bytesRead({ content }: Reply, most: number): Buffer {
  if (content.length <= most) return content
  throw new RemoteError('EIO', `${content.length} bytes came instead of ${most}`)
}

/** A page of a directory. */
export function page({ result }: Reply): { entries: WireEntry[]; more: boolean } {
  const { entries, more } = done(result)
  return { entries: checkedEntries(entries ?? []), more: more === true }
}

/** The names of extended attributes. */
export function names({ result }: Reply): string[] {
  return checkedStrings(done(result).names ?? [])
}

/** What a seek found; undefined if there is none before the end. */
export function offset({ result }: Reply): number | undefined {
  const found = done(result).offset
  return found === undefined ? undefined : checkedCount(found)
}

/** How many of so many bytes `copyRange` copied: more the kernel could not be told. */
export function copied({ result }: Reply, most: number): number {
  return checkedCount(done(result).copied, most)
}

/** The files that `readAll` answered; undefined for those it could not read, or that did not fit. */
export function readContents({ result, content }: Reply): (RemoteContent | undefined)[] {
  const { contents = [] } = done(result)
  if (!Array.isArray(contents)) throw new RemoteError('EIO', 'the answer has no contents')
  let at = 0
  return contents.map((file: unknown) => {
    if (!isRecord(file) || !isCount(file.bytes)) return undefined
    const data = content.subarray(at, at + file.bytes)
    at += file.bytes
    return { attributes: checkedAttributes(file.attributes), data }
  })
}

type Done = Partial<Extract<Reply['result'], { outcome: 'done' }>>

function done(result: Reply['result']): Done {
  return result.outcome === 'done' ? result : {}
}
