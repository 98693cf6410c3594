import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'

/** Runs `work` with an address on this machine that nobody should connect to. @returns how many did */
export async function connectionsDuring(work: (origin: string) => Promise<void>): Promise<number> {
  let connections = 0
  const listener = createServer((socket) => {
    connections++
    socket.destroy()
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  try {
    await work(`https://127.0.0.1:${port}`)
  } finally {
    await new Promise((resolve) => listener.close(resolve))
  }
  return connections
}
