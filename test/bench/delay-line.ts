// A long way between a client and a server, as a process of its own so that it takes no time from either:
//
//   node --import tsx test/bench/delay-line.ts PORT MILLISECONDS
//
// listens on a port of its own, which it prints, and passes each byte on to PORT, and back, so many milliseconds after it came.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** More on its way than a link of 1 GB/s holds in a second: only then does the sender wait. */
const MOST_BYTES = 1 << 30

const [port = 0, milliseconds = 0] = process.argv.slice(2).map(Number)

/** Passes on what comes, each piece when its time has come, from `open` on at the earliest. */
function pass(from: Socket, to: Socket, open: number): void {
  const underWay: { readonly due: number; readonly data: Buffer | 'end' }[] = []
  let bytes = 0
  let timer: NodeJS.Timeout | undefined

  const arrive = (): void => {
    timer = undefined
    for (let next = underWay[0]; next !== undefined; next = underWay[0]) {
      const early = next.due - performance.now()
      if (early > 0) {
        timer = setTimeout(arrive, early)
        return
      }
      underWay.shift()
      if (next.data === 'end') to.end()
      else {
        to.write(next.data)
        bytes -= next.data.length
      }
    }
    from.resume()
  }
  const depart = (data: Buffer | 'end'): void => {
    underWay.push({ due: Math.max(performance.now(), open) + milliseconds, data })
    timer ??= setTimeout(arrive, milliseconds)
  }
  from.on('data', (data: Buffer) => {
    depart(data)
    bytes += data.length
    if (bytes > MOST_BYTES) from.pause()
  })
  from.on('end', () => depart('end'))
  from.on('error', () => to.destroy())
  to.on('close', () => clearTimeout(timer))
}

const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
  // The client's connect(2) is over at once here; over a long way it takes there and back, so what it sends then waits.
  const open = performance.now() + 2 * milliseconds
  near.pause()
  near.on('error', () => {})
  setTimeout(() => {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    pass(near, far, open)
    pass(far, near, open)
    near.resume()
  }, 2 * milliseconds)
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`on port ${(server.address() as AddressInfo).port}\n`)
})
