/** Asks the keyring one question for the process that started it, and ends. */
import { createRequire } from 'node:module'
import { messageOf } from '../error-of.js'
import { koffi, type NativeFunction } from '../koffi.js'
import type { KeyringAnswered, KeyringQuestion } from './keyring.js'

/** The part of keytar's interface that we use. */
interface Keytar {
  getPassword(service: string, account: string): Promise<string | null>
  setPassword(service: string, account: string, password: string): Promise<void>
  deletePassword(service: string, account: string): Promise<boolean>
}

// Ctrl-C and the end of a service are told to all processes at once; who asked may need the answer to save what is not sent.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
// Nobody waits any more. An exit would wait for the thread that a silent keyring has.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))

process.once('message', async (question: KeyringQuestion) => {
  const answered = await answerTo(question)
  process.send?.(answered, () => process.exit())
})

async function answerTo(question: KeyringQuestion): Promise<KeyringAnswered> {
  try {
    if (question.kind === 'isLocked') return { kind: 'answer', answer: await isLocked() }
    return { kind: 'answer', answer: await asked(question, loadKeytar()) }
  } catch (error) {
    return { kind: 'failed', message: messageOf(error) }
  }
}

async function asked(
  question: Exclude<KeyringQuestion, { kind: 'isLocked' }>,
  keytar: Keytar,
): Promise<string | null> {
  const { service, account } = question
  switch (question.kind) {
    case 'get':
      return keytar.getPassword(service, account)
    case 'set':
      await keytar.setPassword(service, account, question.password)
      return null
    case 'delete':
      await keytar.deletePassword(service, account)
      return null
  }
}

/**
 * Whether the collection that keytar uses is locked: what keytar itself does with it asks for its password. By libsecret, which
 * keytar has loaded too; without koffi it is not known.
 */
async function isLocked(): Promise<boolean> {
  try {
    const libsecret = koffi().load('libsecret-1.so.0')
    const service = await called(
      libsecret.func('void *secret_service_get_sync(int flags, void *cancellable, void *error)'),
      ...[0, null, null],
    )
    if (service === null) return false
    const collection = await called(
      libsecret.func(
        'void *secret_collection_for_alias_sync(void *service, str alias, int flags, void *cancellable, void *error)',
      ),
      ...[service, 'default', 0, null, null],
    )
    const locked = libsecret.func('int secret_collection_get_locked(void *collection)')
    return collection !== null && locked(collection) === 1
  } catch {
    return false
  }
}

/** In a thread of its own: a keyring may be silent, and who asked may go. */
function called(blocking: NativeFunction, ...given: unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    blocking.async(...given, (error: unknown, result: unknown) => {
      if (error) reject(error)
      else resolve(result)
    })
  })
}

/** Not an import: the package is optional, and what is not installed has no types to compile with. */
function loadKeytar(): Keytar {
  try {
    return createRequire(import.meta.url)('keytar')
  } catch (cause) {
    throw new Error('the package keytar could not be installed here', { cause })
  }
}
