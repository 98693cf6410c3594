import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Requests of one connection that wait for their turn. Each takes a hundred times the memory that its sender needed for it, and Node
 * goes through all of them for each answer: who sends so many without waiting for one is cut off.
 */
const MOST_WAITING = 256

/**
 * Has a request carried out once all before it on its connection are answered: only safe ones may be carried out side by side
 * (RFC 9112 section 9.3.2), and Node hands all of them on as they come. Whose turn it is has the connection.
 */
export function inTurn<Response extends ServerResponse>(
  handle: (request: IncomingMessage, response: Response) => void,
): (request: IncomingMessage, response: Response) => void {
  const waiting = new WeakMap<Socket, number>()
  return (request, response) => {
    if (response.socket !== null) {
      handle(request, response)
      return
    }
    const { socket } = request
    const count = waiting.get(socket) ?? 0
    if (count >= MOST_WAITING) {
      socket.destroy()
      return
    }
    waiting.set(socket, count + 1)
    response.once('socket', () => {
      waiting.set(socket, (waiting.get(socket) ?? 1) - 1)
      handle(request, response)
    })
  }
}

/**
 * Once the answers to earlier requests of a connection have gone, if it is still there then. Where Node has let go of the connection
 * (with an upgrade), it is told here that more can be written.
 */
export function afterAnswers(socket: Socket, next: () => void): void {
  if (socket.destroyed) return
  const before = answering(socket)
  if (before === undefined) {
    next()
    return
  }
  const drained = () => before.emit('drain')
  socket.on('drain', drained)
  before.once('close', () => {
    socket.off('drain', drained)
    afterAnswers(socket, next)
  })
}

/**
 * The answer that a connection is still about: of requests before this one, sent without waiting or just now on their last
 * bytes. Node takes an answer to one at a time (and throws), and has no public word for it.
 */
export function answering(socket: Socket & { _httpMessage?: ServerResponse | null }) {
  return socket._httpMessage ?? undefined
}
