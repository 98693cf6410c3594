import type { IncomingMessage } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { type DigestAlgorithm, digester, digestField, wantedDigest } from '../../http/digest.js'
import { field } from '../../http/field.js'
import type { Content } from '../../storage/storage.js'
import type { Exchange } from '../exchange/exchange.js'
import { body, type Plan } from './content-plan.js'

/** A digest that goes ahead of the content means reading it twice: beyond so many bytes the wish is not granted. */
const MAX_BYTES = 256 * 1024 * 1024

/** What Want-Content-Digest and Want-Repr-Digest ask for, as far as it can be had (RFC 9530 section 4). */
export interface WantedDigests {
  readonly content: DigestAlgorithm | undefined
  readonly repr: DigestAlgorithm | undefined
}

/** @returns undefined if nobody asks: then nothing is ever hashed */
export function wantedDigests({ headers }: IncomingMessage): WantedDigests | undefined {
  const content = wantedDigest(field(headers, 'Want-Content-Digest'))
  const repr = wantedDigest(field(headers, 'Want-Repr-Digest'))
  return content === undefined && repr === undefined ? undefined : { content, repr }
}

/** The answer with the digests that were asked for: of the whole file, and of what this answer contains. */
export async function answerDigested(
  exchange: Exchange,
  content: Content,
  planned: Plan,
  wanted: WantedDigests,
): Promise<void> {
  const { request, response } = exchange
  const { status, fields } = planned
  if (status === 304) {
    response.writeHead(status, fields)
    response.end()
    return
  }
  if (wanted.repr !== undefined) {
    const digest = await whole(exchange, content, wanted.repr)
    if (digest !== undefined) fields['Repr-Digest'] = digestField(wanted.repr, digest)
  }
  // what HEAD answers has no content, and the digest of that (RFC 9530 appendix B.2)
  const sent = request.method === 'HEAD' ? { parts: [] } : planned
  const algorithm = wanted.content
  if (algorithm !== undefined && sent.parts.length > 0 && takesTrailers(request)) {
    delete fields['Content-Length']
    response.writeHead(status, { ...fields, Trailer: 'Content-Digest' })
    const hash = digester(algorithm)
    await pipeline(
      body(content, sent),
      async function* (source: AsyncIterable<Buffer>) {
        for await (const chunk of source) {
          hash.update(chunk)
          yield chunk
        }
        response.addTrailers({ 'Content-Digest': digestField(algorithm, hash.digest()) })
      },
      response,
    )
    return
  }
  if (algorithm !== undefined) {
    const digest =
      status === 200 && sent.parts.length > 0
        ? await whole(exchange, content, algorithm)
        : await ofParts(content, sent, algorithm)
    if (digest !== undefined) fields['Content-Digest'] = digestField(algorithm, digest)
  }
  response.writeHead(status, fields)
  await pipeline(body(content, sent), response)
}

/** Of the whole file, which is remembered. There is no coding, so it is what a whole answer contains, too. */
async function whole(
  { tree, digests }: Exchange,
  content: Content,
  algorithm: DigestAlgorithm,
): Promise<Buffer | undefined> {
  if (content.inode.size > MAX_BYTES) return digests.known(content.inode, algorithm)
  return digests.of(tree, content, algorithm)
}

async function ofParts(
  content: Content,
  sent: Pick<Plan, 'parts' | 'boundary'>,
  algorithm: DigestAlgorithm,
): Promise<Buffer | undefined> {
  const bytes = sent.parts.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  if (bytes > MAX_BYTES) return undefined
  const hash = digester(algorithm)
  for await (const chunk of body(content, sent)) hash.update(chunk)
  return hash.digest()
}

/** Whether trailer fields are read at the other end (RFC 9110 section 10.1.4); they need chunks, so HTTP/1.1. */
function takesTrailers({ headers, httpVersionMinor }: IncomingMessage): boolean {
  const te = field(headers, 'TE') ?? ''
  return httpVersionMinor > 0 && te.split(',').some((coding) => /^\s*trailers\s*$/i.test(coding))
}
