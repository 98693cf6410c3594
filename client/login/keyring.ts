import { fork } from 'node:child_process'

const SERVICE = 'coffer'
/** A keyring may be waiting for its password in a dialog that nobody sees. */
const PATIENCE_MILLISECONDS = 15_000

type Question =
  | { readonly kind: 'isLocked' }
  | { readonly kind: 'get' | 'delete'; readonly account: string }
  | { readonly kind: 'set'; readonly account: string; readonly password: string }
export type KeyringQuestion = Question & { readonly service: string }
export type KeyringAnswered =
  | { readonly kind: 'answer'; readonly answer: string | boolean | null }
  | { readonly kind: 'failed'; readonly message: string }

/** The system's keyring (libsecret through keytar). Every method rejects where it is absent, locked or silent. */
export const keyring = {
  /** Where a password is kept, for people. */
  place: (account: string): string => `the keyring, as "${SERVICE}/${account}"`,
  /** Asks nobody for its password. False, too, where that cannot be known. */
  isLocked: async (): Promise<boolean> => (await ask({ kind: 'isLocked' })) === true,
  /** Where it is locked, this and all below ask for its password. */
  async get(account: string): Promise<string | null> {
    const answer = await ask({ kind: 'get', account })
    return typeof answer === 'string' ? answer : null
  },
  async set(account: string, password: string): Promise<void> {
    await ask({ kind: 'set', account, password })
  },
  async delete(account: string): Promise<void> {
    await ask({ kind: 'delete', account })
  },
}

/**
 * In a process of its own for each question: one process finds a keyring but once, so a mount would not find one that was
 * ended and started again; and a keyring that does not answer keeps a thread for as long as the process lives.
 */
function ask(question: Question): Promise<string | boolean | null> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const child = fork(new URL(`keyring-process.${extension}`, import.meta.url), {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  return new Promise<string | boolean | null>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('it does not answer')), PATIENCE_MILLISECONDS)
    child.once('message', (answered: KeyringAnswered) => {
      if (answered.kind === 'answer') resolve(answered.answer)
      else reject(new Error(answered.message))
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      reject(new Error(`who asks it has ended (${code ?? signal})`))
    })
    child.send({ ...question, service: SERVICE } satisfies KeyringQuestion, (error) => {
      if (error !== null) reject(error)
    })
  }).finally(() => child.kill('SIGKILL'))
}
