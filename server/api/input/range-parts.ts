import { rangesBody } from '../../http/ranges-body.js'
import { append, type WritePart } from '../../storage/storage.js'

/** What of a content in pieces, each with its offset, goes where; as many at a time as come at a time. */
export async function* rangeParts(
  source: AsyncIterable<readonly Buffer[]> | Iterable<readonly Buffer[]>,
): AsyncGenerator<readonly WritePart[]> {
  for await (const come of rangesBody(source)) {
    yield come.map(({ offset, data }) => ({ offset: offset === 'append' ? append : offset, data }))
  }
}
