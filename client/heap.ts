import { setFlagsFromString } from 'node:v8'

/**
 * How far the heap grows, in percent of what the last full collection left, before the next one. By itself V8 lets it become four
 * times as large where collecting seems cheap: of 100 MiB that a mount knows of a long directory, 400, most of them garbage.
 */
const HEAP_GROWS_PERCENT = 50

/** For a process that stays: it shall not keep the memory of the machine for what it needs no longer. */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWS_PERCENT}`)
}
