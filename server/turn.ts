import type { RequestHandler } from 'express'

const waiting: (() => void)[] = []

/** Not in the turn that asks: an immediate comes in the same one, before what others have sent meanwhile is read. */
function afterReading(): void {
  setImmediate(takeTurn)
}

function takeTurn(): void {
  waiting.shift()?.()
  if (waiting.length > 0) setImmediate(takeTurn)
}

/**
 * A turn of the event loop of one's own. What takes as long as a dozen requests for files do is done in steps, each in such a turn:
 * no request waits for more than one of them, however many there are.
 */
export function ownTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(afterReading)
  })
}

/** The same for what comes next to a request. */
export const inOwnTurn: RequestHandler = async (_request, _response, next) => {
  await ownTurn()
  next()
}
