import { pipeline } from 'node:stream/promises'
import { type FileName, fileName } from '../../storage/path.js'
import type { Inode, SpelledPage, Tree } from '../../storage/storage.js'
import { answerNotModified, inodeFields } from '../exchange/answer.js'
import { MAX_ENTRIES } from '../exchange/answer-bytes.js'
import { entryJson } from '../exchange/attributes.js'
import type { Exchange } from '../exchange/exchange.js'
import { isNotModified } from '../exchange/preconditions.js'
import { parseCount } from '../exchange/query.js'

/** Entries taken from the engine at a time: bounds the memory of a listing and how long it holds the event loop. */
const PAGE_ENTRIES = 1000

/** A directory as a JSON array: all of it, streamed page by page, or the page asked for. */
export async function answerEntries(exchange: Exchange, directory: Inode): Promise<void> {
  const { query, tree } = exchange
  const after = query.get('after')
  const start = after === undefined ? undefined : fileName(after)
  const limit = query.get('limit')
  if (limit === undefined) return answerAll(exchange, directory, start)
  const count = Math.min(parseCount('limit', limit, 1, Number.MAX_SAFE_INTEGER), MAX_ENTRIES)
  const page = await tree.spell(directory.ino, pageAfter(start, count))
  const { last } = page
  const more =
    last !== undefined &&
    page.entries.length === count &&
    (await tree.list(directory.ino, pageAfter(last, 1))).length > 0
  answerPage(exchange, directory, page, more ? { after: last, limit: count } : undefined)
}

async function answerAll(
  exchange: Exchange,
  directory: Inode,
  start: FileName | undefined,
): Promise<void> {
  const { request, response, tree } = exchange
  const first = await tree.spell(directory.ino, pageAfter(start, PAGE_ENTRIES))
  if (first.entries.length < PAGE_ENTRIES) return answerPage(exchange, directory, first, undefined)
  if (isNotModified(exchange)) return answerNotModified(exchange, inodeFields(directory))
  response.writeHead(200, { ...inodeFields(directory), 'Content-Type': 'application/json' })
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  await pipeline(jsonArray(tree, directory, first), response)
}

function answerPage(
  exchange: Exchange,
  directory: Inode,
  page: SpelledPage,
  next: { after: FileName; limit: number } | undefined,
): void {
  const { request, response } = exchange
  if (isNotModified(exchange)) {
    answerNotModified(exchange, inodeFields(directory))
    return
  }
  const body = Buffer.from(`[${rows(page)}]`)
  response.writeHead(200, {
    ...inodeFields(directory),
    'Content-Type': 'application/json',
    'Content-Length': body.length,
    ...(next && {
      // relative to the request's own target (RFC 8288 section 3.1)
      Link: `<?limit=${next.limit}&after=${encodeURIComponent(next.after)}>; rel="next"`,
    }),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

async function* jsonArray(
  tree: Tree,
  directory: Inode,
  first: SpelledPage,
): AsyncGenerator<string> {
  yield `[${rows(first)}`
  let { last } = first
  while (last !== undefined) {
    const page = await tree.spell(directory.ino, pageAfter(last, PAGE_ENTRIES))
    if (page.entries.length > 0) yield `,${rows(page)}`
    last = page.entries.length < PAGE_ENTRIES ? undefined : page.last
  }
  yield ']'
}

function rows({ entries }: SpelledPage): string {
  return entries.map(entryJson).join(',\n')
}

function pageAfter(after: FileName | undefined, limit: number) {
  return after === undefined ? { limit } : { after, limit }
}
