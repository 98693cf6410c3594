import { type DigestAlgorithm, digester, digestField, wantedDigest } from '../http/digest.js'
import { field } from '../http/field.js'
import type { Content, Tree } from '../storage/storage.js'
import type { Exchange } from './exchange.js'

/** A digest needs all of the content; beyond this many bytes the wish is not granted (RFC 9530 section 4 allows that). */
const MAX_BYTES = 256 * 1024 * 1024
const MAX_REMEMBERED = 1000
const READ_BYTES = 256 * 1024

/** Digests of contents, remembered by what names a content exactly: inode and version. */
export class ReprDigests {
  readonly #known = new Map<string, Buffer>()

  /** @returns undefined if the content changed meanwhile */
  async of(tree: Tree, content: Content, algorithm: DigestAlgorithm): Promise<Buffer | undefined> {
    const { ino, version } = content.inode
    const key = `${algorithm} ${ino} ${version}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const digest = await digestOf(content, algorithm)
    if ((await tree.stat(ino)).version !== version) return undefined
    const [oldest] = this.#known.keys()
    if (this.#known.size >= MAX_REMEMBERED && oldest !== undefined) this.#known.delete(oldest)
    this.#known.set(key, digest)
    return digest
  }
}

/** Repr-Digest if Want-Repr-Digest asks for one we can make (RFC 9530 sections 3 and 4). */
export async function reprDigestFields(
  { request, tree, digests }: Exchange,
  content: Content,
): Promise<Record<string, string>> {
  const algorithm = wantedDigest(field(request.headers, 'Want-Repr-Digest'))
  if (algorithm === undefined || content.inode.size > MAX_BYTES) return {}
  const digest = await digests.of(tree, content, algorithm)
  return digest === undefined ? {} : { 'Repr-Digest': digestField(algorithm, digest) }
}

async function digestOf(content: Content, algorithm: DigestAlgorithm): Promise<Buffer> {
  const hash = digester(algorithm)
  for (let position = 0; position < content.inode.size; ) {
    const data = await content.read(position, READ_BYTES)
    if (data.length === 0) break
    hash.update(data)
    position += data.length
  }
  return hash.digest()
}
