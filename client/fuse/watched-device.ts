import { closeSync } from 'node:fs'
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net'
import type { Koffi } from '../koffi.js'
import { MountError } from './mount-error.js'
import type { Watched } from './reader.js'

const O_CLOEXEC = 0x80000

/**
 * A device that does not block, watched by the event loop as its sockets are: a request costs no change of threads, and
 * nobody has to ask in vain. Node watches only what it takes for a socket when it gets it, so the device then takes the place of one.
 */
export function watchedDevice(
  native: Koffi,
  socketpair: () => [number, number],
  descriptor: number,
): Watched {
  const libc = native.load(null)
  const read = libc.func('int64_t read(int device, void *buffer, size_t length)')
  const dup3 = libc.func('int dup3(int from, int to, int flags)')
  let socket: Socket | undefined
  return {
    descriptor,
    readNow: (buffer) => Number(read(descriptor, buffer, buffer.length)),
    watch: (first, { came, gone }) => {
      let next = first
      const onread: OnReadOpts = {
        buffer: () => next,
        callback: (length) => {
          const { own, goesOn } = came(next, length)
          next = own
          return goesOn
        },
      }
      const [place, other] = socketpair()
      const options: SocketConstructorOpts & { readonly onread: OnReadOpts } = { fd: place, onread }
      const watching = new Socket(options)
      socket = watching
      // epoll(7) gets to know it in the next turn of the event loop, as what it is by then
      const moved = dup3(descriptor, place, O_CLOEXEC)
      closeSync(other)
      if (moved !== place) throw new MountError('failed', 'dup3(2) failed')
      // the mount is gone (ENODEV), which `close` tells, too
      watching.on('error', () => undefined)
      watching.on('close', gone)
      return { goOn: () => watching.resume() }
    },
    stop: () => socket?.destroy(),
  }
}
