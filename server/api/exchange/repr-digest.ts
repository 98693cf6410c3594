import { type DigestAlgorithm, digester, type ExpectedDigest } from '../../http/digest.js'
import type { Content, Inode, Tree } from '../../storage/storage.js'

const MAX_REMEMBERED = 1000
const READ_BYTES = 256 * 1024

/** Digests of whole files, remembered by what names a content exactly: inode and version. */
export class ReprDigests {
  readonly #known = new Map<string, Buffer>()

  known({ ino, version }: Inode, algorithm: DigestAlgorithm): Buffer | undefined {
    return this.#known.get(`${algorithm} ${ino} ${version}`)
  }

  /** What an upload was found to have. */
  remember(
    { ino, version }: Inode,
    digests: readonly Pick<ExpectedDigest, 'algorithm' | 'value'>[],
  ): void {
    for (const { algorithm, value } of digests) {
      const [oldest] = this.#known.keys()
      if (this.#known.size >= MAX_REMEMBERED && oldest !== undefined) this.#known.delete(oldest)
      this.#known.set(`${algorithm} ${ino} ${version}`, value)
    }
  }

  /** @returns undefined if the content changed meanwhile */
  async of(tree: Tree, content: Content, algorithm: DigestAlgorithm): Promise<Buffer | undefined> {
    const { inode } = content
    const known = this.known(inode, algorithm)
    if (known !== undefined) return known
    const value = await digestOf(content, algorithm)
    if ((await tree.stat(inode.ino)).version !== inode.version) return undefined
    this.remember(inode, [{ algorithm, value }])
    return value
  }
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
