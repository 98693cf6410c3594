/** Hashes passwords for the server that started it, and ends when that does: nothing else keeps it running. */
import { constants, setPriority } from 'node:os'
import { type Answered, type Asked, compute } from './hashing.js'

// Before anything is computed: the threads that compute it are made by this one, and inherit its priority.
setPriority(constants.priority.PRIORITY_LOW)

process.on('message', async (asked: Asked) => {
  process.send?.(await answerTo(asked))
})

async function answerTo(asked: Asked): Promise<Answered> {
  const { id } = asked
  try {
    return { id, kind: 'answer', answer: await compute(asked) }
  } catch (error) {
    return { id, kind: 'failed', message: error instanceof Error ? error.message : String(error) }
  }
}
