import { MessageChannel } from 'node:worker_threads'

/** Smaller ones cost more to free than to collect: answers to reads of a few KiB, one by one, are left. */
const WORTH_BYTES = 16 * 1024

const { port1: nowhere, port2 } = new MessageChannel()
port2.close()
nowhere.close()

/**
 * Frees the memory of buffers at once; they are empty afterwards. Only for what nobody else has or will look at again.
 *
 * A long body comes in buffers of 16 KiB, and the garbage collector, which counts their bytes, would mark the whole heap
 * for every 25 MiB of them: a third of the processor time. What is transferred (postMessage) leaves its buffer, and to a
 * port that is closed it goes nowhere. A part of a larger buffer, as Node's pool has them, stays.
 */
export function freeSpent(buffers: readonly Buffer[]): void {
  const whole: ArrayBuffer[] = []
  for (const { buffer, length } of buffers) {
    if (length < WORTH_BYTES || length !== buffer.byteLength) continue
    if (buffer instanceof ArrayBuffer) whole.push(buffer)
  }
  if (whole.length === 0) return
  try {
    nowhere.postMessage(undefined, whole)
  } catch {
    // One that cannot be transferred: they are left to the garbage collector.
  }
}
