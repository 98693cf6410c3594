import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below those that the kernel gives out (ip_local_port_range in ip(7)), to listeners at port 0 and to every connection. */
const FIRST = 10_000
const END = 32_768
const ATTEMPTS = 100

/**
 * A port for a server that goes away and comes back: nobody else gets it meanwhile. It stays this process's until its end,
 * among all tests on this machine, by the UDP port of the same number.
 */
export async function ownPort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(FIRST, END)
    if ((await isReserved(port)) && (await isFree(port))) return port
  }
  throw new Error(`none of ${ATTEMPTS} ports from ${FIRST} to ${END} is free`)
}

async function isReserved(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  try {
    socket.bind({ port, address: '127.0.0.1', exclusive: true })
    await once(socket, 'listening')
    socket.unref()
    return true
  } catch {
    return false
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    await new Promise((resolve) => server.close(resolve))
    return true
  } catch {
    return false
  }
}
