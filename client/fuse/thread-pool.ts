import { read, writeSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'

const PATIENCE_MILLISECONDS = 3000

/**
 * Whether libuv has more than `count` threads. It does not tell, and the environment may have been changed since it
 * started: so `count` threads are made to wait for a socket, and then there must be one left to do some work.
 */
export async function hasMoreThreadsThan(
  count: number,
  [reading, writing]: readonly [number, number],
): Promise<boolean> {
  const waiting = Array.from({ length: count }, () =>
    promisify(read)(reading, Buffer.alloc(1), 0, 1, null),
  )
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), PATIENCE_MILLISECONDS)
  })
  const worked = stat('/').then(() => true)
  const enough = await Promise.race([worked, late])
  clearTimeout(timer)
  writeSync(writing, Buffer.alloc(count))
  await Promise.all([...waiting, worked])
  return enough
}
