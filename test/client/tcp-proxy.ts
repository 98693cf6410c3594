import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'
import { whileWaiting } from '../support/waiting.js'

/**
 * A network that can break: `pass` lets bytes through, `frozen` holds them without closing anything (a half-open connection, a
 * laptop asleep), `unanswered` what comes back to who has sent 64 KiB, `mute` all that comes back by the connections there are, `gone` refuses new connections and breaks the old ones, `slow`
 * lets 256 KiB a second through.
 */
export type Weather = 'pass' | 'frozen' | 'unanswered' | 'mute' | 'gone' | 'slow'

export interface Network {
  readonly port: number
  become(weather: Weather): void
  /** Settles when somebody connects who has not yet. */
  connected(): Promise<void>
  /** Breaks every connection there is, once. */
  reset(): void
  /** Nothing passes any more through the connections there are; new ones work. As after a laptop's sleep behind a NAT. */
  forget(): void
  /** The same, but what is sent through them is kept. */
  detain(): void
  /** Brings it to the server, whoever has closed the connections since. Answers how many bytes. */
  deliver(): number
  close(): Promise<void>
}

const TICK_MILLISECONDS = 25
const UNANSWERED_BYTES = 64 * 1024
const SLOW_BYTES = (256 * 1024 * TICK_MILLISECONDS) / 1000

export async function network(target: () => number): Promise<Network> {
  let weather: Weather = 'pass'
  const links = new Set<[near: Socket, far: Socket]>()
  const forgotten = new Set<Socket>()
  const detained: [far: Socket, data: Buffer][] = []

  const server = createServer((near) => {
    if (weather === 'gone') return near.resetAndDestroy()
    const far = connect(target(), '127.0.0.1')
    const link: [Socket, Socket] = [near, far]
    links.add(link)
    let unanswered = 0
    for (const [from, to] of [link, [far, near] as const]) {
      from.on('data', (data: Buffer) => {
        to.write(data)
        if (weather === 'frozen') from.pause()
        if (weather === 'unanswered' && from === near) unanswered += data.length
        if (weather === 'unanswered' && unanswered >= UNANSWERED_BYTES) far.pause()
        if (weather !== 'slow') return
        from.pause()
        setTimeout(
          () => weather !== 'frozen' && from.resume(),
          (data.length / SLOW_BYTES) * TICK_MILLISECONDS,
        )
      })
      from.on('error', () => {})
      from.on('close', () => {
        links.delete(link)
        to.destroy()
      })
    }
    if (weather === 'frozen') for (const socket of link) socket.pause()
    return undefined
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  const reset = (): void => {
    for (const link of links) for (const socket of link) socket.resetAndDestroy()
  }
  return {
    forget() {
      for (const link of links) {
        for (const socket of link) forgotten.add(socket.removeAllListeners('data').pause())
      }
      links.clear()
    },
    detain() {
      for (const [near, far] of links) {
        near.removeAllListeners('data').removeAllListeners('close')
        near.on('data', (data: Buffer) => detained.push([far, data]))
        forgotten.add(near).add(far.removeAllListeners('data').resume())
      }
      links.clear()
    },
    deliver() {
      const waiting = detained.splice(0).filter(([far]) => !far.destroyed)
      for (const [far, data] of waiting) far.write(data)
      return waiting.reduce((bytes, [, data]) => bytes + data.length, 0)
    },
    port: (server.address() as AddressInfo).port,
    become(next) {
      weather = next
      if (next === 'gone') reset()
      for (const link of links) {
        const [, far] = link
        for (const socket of link) {
          const isHeld = next === 'frozen' || (next === 'mute' && socket === far)
          isHeld ? socket.pause() : socket.resume()
        }
      }
    },
    connected: () => new Promise((resolve) => server.once('connection', () => resolve())),
    reset,
    close: () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      // No reset: that waits for what is still to be written, which nobody may read any more.
      for (const socket of [...[...links].flat(), ...forgotten]) socket.destroy()
      return whileWaiting(() => 'the connections of a network to end', closed)
    },
  }
}
