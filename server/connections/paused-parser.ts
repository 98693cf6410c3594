import type { Socket } from 'node:net'

/**
 * Where a request comes before the last bytes of the answer to the one before it are off Node's hands, Node stops its parser until
 * they are, and the reading. But TLS hands on all records that it has read, and those that come after are errors to a stopped parser:
 * "Paused", in the middle of a request that is as it should be, such as one whose header and body are two records. They are put back,
 * which a socket can do with which Node's parser takes no short cut: as for whoever listens to its data.
 * @returns whether that is all that was wrong
 */
export function waitsForParser(socket: Socket, { code, rawPacket }: ParserError): boolean {
  if (code !== 'HPE_PAUSED' || rawPacket === undefined) return false
  const noticed = () => {}
  socket.on('data', noticed)
  socket.off('data', noticed)
  socket.push(rawPacket)
  return true
}

export interface ParserError extends Error {
  readonly code?: string
  /** What the parser was given, and how much of it was in order. */
  readonly rawPacket?: Buffer
  readonly bytesParsed?: number
}
