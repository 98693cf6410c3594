import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { whileWaiting } from '../support/waiting.js'

const PROGRAM = fileURLToPath(new URL('locker.py', import.meta.url))

/** A process that takes locks as it is told (locker.py). */
export interface Locker {
  readonly pid: number
  /** One command; its answer is "ok", a value, an errno's name, or "gone" from a process that has ended. */
  ask(...command: readonly (string | number)[]): Promise<string>
  kill(signal: NodeJS.Signals): Promise<void>
}

export function locker(): Locker {
  const child = spawn('python3', [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.on('error', () => {}) // to one that has ended: its answer is "gone"
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]()
  let last: Promise<unknown> = Promise.resolve()
  return {
    pid: child.pid ?? -1,
    ask(...command) {
      child.stdin.write(`${command.join(' ')}\n`)
      const answer = last.then(async () => {
        const { value, done } = await answers.next()
        return done === true ? 'gone' : String(value)
      })
      last = answer
      return whileWaiting(() => `what process ${child.pid} says to "${command.join(' ')}"`, answer)
    },
    async kill(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    },
  }
}
