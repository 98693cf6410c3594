/** Hashes passwords for the server that started it, and ends when that does: nothing else keeps it running. */
import { existsSync, readdirSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { messageOf } from '../error-of.js'
import { type Answered, type Asked, compute } from './hashing.js'

const THREADS = '/proc/self/task'

// On Linux each thread has a priority of its own, and those that compute were made before this line, when it was loaded.
const threads = existsSync(THREADS) ? readdirSync(THREADS).map(Number) : [process.pid]
for (const thread of threads) setPriority(thread, constants.priority.PRIORITY_LOW)

process.on('message', async (asked: Asked) => {
  process.send?.(await answerTo(asked))
})

async function answerTo(asked: Asked): Promise<Answered> {
  const { id } = asked
  try {
    return { id, kind: 'answer', answer: await compute(asked) }
  } catch (error) {
    return { id, kind: 'failed', message: messageOf(error) }
  }
}
