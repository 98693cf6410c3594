import { plannedFile } from '../planned-file.js'
import type { Journal } from './journal.js'
import type { Pending } from './pending.js'
import type { Change, Note } from './record.js'
import type { JournalData } from './segment.js'
import { UnsentFile } from './unsent-file.js'
import type { UnsentFiles } from './unsent-files.js'

type Add = (file: UnsentFile, change: Change, data: JournalData, journal: Journal) => Pending

/** What an earlier mount left is shown and will be sent, from where that mount had come. */
export function recover(journal: Journal, unsent: UnsentFiles, add: Add): void {
  const { isDamaged } = journal
  const senders = journal.notes.flatMap((note) => (note.kind === 'sender' ? note.by : []))
  for (const { change, data } of journal.recovered) {
    const base = change.kind === 'birth' ? plannedFile(change) : change.before
    const file = unsent.of(change.ino) ?? new UnsentFile(change.ino, base, change.place)
    const isGap = change.kind !== 'birth' && change.before.version !== file.shown.version
    const pending = add(file, change, data, journal)
    pending.isLate = true
    pending.tried = { kind: 'perhaps before', by: connections(change, senders) }
    if (isGap && isDamaged) file.gap ??= pending
  }
  for (const note of journal.notes) recoverNote(journal, unsent, note)
}

/**
 * By which a change may have been made. Not by those before its own: what one of them made, and was killed too soon to keep, had the same
 * number.
 */
function connections({ by }: Change, senders: readonly string[]): string[] | undefined {
  return by === undefined ? undefined : [by, ...senders.slice(senders.indexOf(by) + 1)]
}

function recoverNote(journal: Journal, unsent: UnsentFiles, note: Note): void {
  if (note.kind === 'sender') return
  const isIt = (pending: Pending | undefined, id: number) =>
    pending?.journal === journal && pending.change.id === id
  const file =
    'ino' in note
      ? unsent.of(note.ino)
      : unsent.all().find(({ queue: [first] }) => isIt(first, note.of))
  if (file === undefined) return
  switch (note.kind) {
    case 'done':
      if (note.seen !== undefined) file.seen = note.seen
      return
    case 'nameless':
      unsent.unname(file)
      while (file.queue[0] !== undefined) {
        journal.done(file.queue[0].change.id)
        unsent.removeFirst(file, undefined)
      }
      return
    case 'moved':
      unsent.move(file, note.place)
      return
    case 'copying':
      file.copy = { ino: note.copy, place: note.place, version: note.version }
      return
    case 'rebased':
      file.seen = note.seen
      file.endSeen = note.size
  }
}
