/** Content of known size that can be read again when a request must be retried. */
export interface UploadContent {
  readonly size: number
  open(): AsyncIterable<Buffer>
}

/** What is at hand, piece by piece, or comes when it is read. */
export type PutContent = readonly Buffer[] | UploadContent

export function isAtHand(content: PutContent): content is readonly Buffer[] {
  return !('open' in content)
}

export function uploadContent(content: PutContent): UploadContent {
  if (!isAtHand(content)) return content
  return {
    size: bytesOf(content),
    async *open() {
      yield* content
    },
  }
}

export function bytesOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

/** In one piece, without a copy where it is one. */
export function whole(pieces: readonly Buffer[]): Buffer {
  const [only, ...others] = pieces
  return only !== undefined && others.length === 0 ? only : Buffer.concat(pieces)
}
