/** Asks the keyring one question for the process that started it, and ends. */
import { createRequire } from 'node:module'
import { messageOf } from './error-of.js'
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
    return { kind: 'answer', password: await asked(question, loadKeytar()) }
  } catch (error) {
    return { kind: 'failed', message: messageOf(error) }
  }
}

async function asked(question: KeyringQuestion, keytar: Keytar): Promise<string | null> {
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

/** Not an import: the package is optional, and what is not installed has no types to compile with. */
function loadKeytar(): Keytar {
  try {
    return createRequire(import.meta.url)('keytar')
  } catch (cause) {
    throw new Error('the package keytar could not be installed here', { cause })
  }
}
