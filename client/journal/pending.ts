import { basename } from 'node:path'
import { RemoteError } from '../remote-error.js'
import type { Journal } from './journal.js'
import type { Change } from './record.js'
import type { JournalData } from './segment.js'

/** What may have made a change already. */
export type Tried =
  | { readonly kind: 'never' }
  /** A try that got no answer; the name by which the server knows the change. */
  | { readonly kind: 'without answer'; readonly change: string }
  /** A mount that was killed; by which connections, if that is known. */
  | { readonly kind: 'perhaps before'; readonly by: readonly string[] | undefined }

/** A change on its way to the server. */
export interface Pending {
  readonly change: Change
  readonly data: JournalData
  /** By which the server knows it, the same in each try. */
  readonly name: string | undefined
  /** Undefined: it is only in memory, and somebody waits until it is sent. */
  journal: Journal | undefined
  /** These must be done first. */
  readonly after: readonly Pending[]
  /** It could not be sent when it should have been. */
  isLate: boolean
  tried: Tried
  /** Resolves when it is done, or no longer wanted. */
  readonly finished: Promise<void>
  finish(): void
}

export function pendingChange(
  given: Pick<Pending, 'change' | 'data' | 'journal' | 'after'>,
): Pending {
  let finish = (): void => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const { journal, change } = given
  const name = journal && `j${basename(journal.directory)}-${change.id}`
  return { ...given, name, isLate: false, tried: { kind: 'never' }, finished, finish }
}

/** A try has failed; the server may have made it all the same. */
export function hasFailed(pending: Pending, error: unknown): void {
  if (!(error instanceof RemoteError) || error.change === undefined) return
  if (pending.tried.kind !== 'never') return
  pending.tried = { kind: 'without answer', change: error.change }
}

/** Whether it was perhaps made, or makes the file, and something follows it that is kept: that will be sent, and on this. */
export function isBuiltUpon(pending: Pending, queue: readonly Pending[]): boolean {
  if (pending.change.kind !== 'birth' && pending.tried.kind !== 'without answer') return false
  return queue.slice(queue.indexOf(pending) + 1).some(({ journal }) => journal !== undefined)
}
