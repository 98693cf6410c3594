import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, messageOf } from '../error-of.js'
import { OtherJournal } from './earlier-run.js'
import { Journal, type JournalOptions } from './journal.js'

/** Journals of one account on one machine: as many mounts may write at once. */
const MOST = 64

/** Whether there may be something to be sent in a journal, by whomever: of one that is done nothing is left. What cannot be read may have some. */
export async function isJournalLeft(directory: string): Promise<boolean> {
  try {
    const names = await readdir(directory)
    return names.some((name) => name.endsWith('.journal'))
  } catch (error) {
    return codeOf(error) !== 'ENOENT'
  }
}

/**
 * The journals of an account that no other mount has: those with something to send, and, first, one of our own if it is
 * wanted.
 */
export async function openJournals(
  directory: string,
  options: JournalOptions & { readonly own: boolean },
): Promise<Journal[]> {
  const names = await readdir(directory).catch(() => [])
  const numbers = names.filter((name) => /^\d{1,2}$/.test(name)).map(Number)
  const journals: Journal[] = []
  let lacksOwn = options.own
  for (const number of numbers.sort((a, b) => a - b)) {
    const journal = await openJournal(join(directory, String(number)), options)
    if (journal === undefined) continue
    if (journal.isEmpty && !lacksOwn) await journal.close()
    else journals.push(journal)
    lacksOwn = false
  }
  for (let number = 1; lacksOwn && number <= MOST; number++) {
    if (numbers.includes(number)) continue
    const journal = await Journal.open(join(directory, String(number)), options)
    if (journal === undefined) continue
    journals.push(journal)
    lacksOwn = false
  }
  return journals
}

/** @returns undefined if it is not for this mount; one that cannot be read is left as it is, and told of */
async function openJournal(
  directory: string,
  options: JournalOptions,
): Promise<Journal | undefined> {
  try {
    return await Journal.open(directory, options)
  } catch (error) {
    const why = error instanceof OtherJournal ? error.message : unreadable(directory, error)
    options.log(why)
    options.warn?.(why)
    return undefined
  }
}

function unreadable(directory: string, error: unknown): string {
  return `${directory}: what an earlier mount left there cannot be sent now (${messageOf(error)})`
}
