import { expect } from 'chai'
import { BATCH_TYPE, encodeFrame, FrameReader } from '../../server/wire/frames.js'
import type { FileApi } from './files.js'

/** Makes the next entries of a directory in one request. */
export async function makeEntries(
  api: FileApi,
  directory: number,
  from: number,
  count: number,
): Promise<void> {
  const frames = Array.from({ length: count }, (_, index) => {
    const name = `entry ${(from + index) * 7919} of a directory with many`
    return encodeFrame({ op: 'make', place: { directory, name }, what: { type: 'file' } })
  })
  const headers = { 'Content-Type': BATCH_TYPE, 'Coffer-Durability': 'process' }
  const { body } = await api.send('POST', '/batch', { headers, body: Buffer.concat(frames) })
  async function* source() {
    yield body
  }
  const reader = new FrameReader(source())
  for (let index = 0; index < count; index++) {
    expect((await reader.next())?.header).to.include({ outcome: 'done' })
  }
}
