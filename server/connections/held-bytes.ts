import type { Socket } from 'node:net'

const NOTHING = Buffer.alloc(0)

/**
 * Keeps what comes by a connection that Node's parser has let go of (with an upgrade). An answer that is still going out sets it going
 * again where the parser had paused, and all that came would be lost, for nobody is there to take it: a connection does not go while
 * somebody listens for something to read.
 * @param head what has come already
 * @returns lets it go, to whoever listens to its data by then or later
 */
export function heldBytes(socket: Socket, head: Buffer): () => void {
  const noticed = () => {}
  socket.on('readable', noticed)
  // It has taken itself for reading ever since the parser had it for itself, although that may have paused: this ends that.
  socket.push(NOTHING)
  if (head.length > 0) socket.unshift(head)
  return () => socket.off('readable', noticed)
}
