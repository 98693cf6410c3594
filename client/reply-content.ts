import type { Reply } from './channel.js'
import { type RemoteContent, RemoteError } from './remote-files.js'
import { checkedAttributes } from './wire-answer.js'

/** How many bytes `copyRange` copied. */
export function copied({ result }: Reply): number {
  if (result.outcome === 'done' && result.copied !== undefined) return result.copied
  throw new RemoteError('EIO', 'the answer does not say how many bytes were copied')
}

/** The files that `readAll` answered; undefined for those it could not read, or that did not fit. */
export function readContents({ result, content }: Reply): (RemoteContent | undefined)[] {
  const files = result.outcome === 'done' ? (result.contents ?? []) : []
  let at = 0
  return files.map((file) => {
    if (!('attributes' in file)) return undefined
    const data = content.subarray(at, at + file.bytes)
    at += file.bytes
    return { attributes: checkedAttributes(file.attributes), data }
  })
}
