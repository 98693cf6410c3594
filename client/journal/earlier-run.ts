import { type FileHandle, open, readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { Change, Note } from './record.js'
import { scanSegment } from './scan.js'
import { DAMAGED, JournalData, Segment } from './segment.js'

/** A change of an earlier run that is not done. */
export interface Recovered {
  readonly change: Change
  readonly data: JournalData
}

/** Who is told what was found. */
export interface RecoveryNews {
  readonly log: (message: string, error?: unknown) => void
  /** What somebody should do something about. */
  readonly warn?: (message: string) => void
}

/** What waits there is left to the version that can read it. */
export class OtherJournal extends Error {
  constructor(path: string) {
    super(
      `${path} was written by another version of Coffer, and is left as it is: mount once with that version, which sends what waits there`,
    )
  }
}

const SEGMENT_NAME = /^\d{6,}\.journal(\.damaged)?$/

/** What an earlier run left in its segments. @throws OtherJournal, and what the disk says; then it holds none of them open */
export async function recover(directory: string, news: RecoveryNews) {
  const files: FileHandle[] = []
  try {
    return await recoverFrom(directory, files, news)
  } catch (error) {
    await Promise.allSettled(files.map((file) => file.close()))
    throw error
  }
}

async function recoverFrom(directory: string, files: FileHandle[], { log, warn }: RecoveryNews) {
  const all = (await readdir(directory)).filter((name) => SEGMENT_NAME.test(name)).sort()
  const names = all.filter((name) => !name.endsWith(DAMAGED))
  const segments: Segment[] = []
  const changes = new Map<number, Recovered & { segment: Segment }>()
  const notes: Note[] = []
  let lastId = 0
  for (const name of names) {
    const path = join(directory, name)
    const file = await open(path, 'r')
    files.push(file)
    const { records, isDamaged, isUnknown, tornBytes, roomBytes } = await scanSegment(file)
    if (isUnknown) throw new OtherJournal(path)
    const size = (await file.stat()).size - roomBytes
    // On a full disk a mount needs it.
    if (roomBytes > 0 && !isDamaged) await truncate(path, size)
    const segment = Segment.old(path, size, file)
    segment.isDamaged = isDamaged
    if (isDamaged) {
      log(`${path} is damaged: some of what was written is lost; it is kept as "${name}${DAMAGED}"`)
      warn?.(
        `the local disk has damaged ${path}: some of what was written is lost; "coffer damaged" shows what, once the rest is sent`,
      )
    } else if (tornBytes > 0) {
      log(`${path}: the last ${tornBytes} bytes, of what was being written, are no whole record`)
    }
    segments.push(segment)
    for (const { record, dataAt, dataLength, dataChecksum } of records) {
      if ('id' in record) {
        const where = { segment, offset: dataAt, checksum: dataChecksum }
        const data = new JournalData(where, dataLength)
        changes.set(record.id, { change: record, data, segment })
        segment.live.add(record.id)
        lastId = Math.max(lastId, record.id)
        continue
      }
      notes.push(record)
      if ('of' in record) lastId = Math.max(lastId, record.of)
      if (record.kind !== 'done') continue
      changes.get(record.of)?.segment.live.delete(record.of)
      changes.delete(record.of)
    }
  }
  return {
    segments,
    notes,
    recovered: [...changes.values()],
    nextId: lastId + 1,
    // What was kept aside keeps its number: another one of that name would take its place.
    nextSegment: Number.parseInt(all.at(-1) ?? '0', 10) + 1,
  }
}
