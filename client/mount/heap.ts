/**
 * How far the heap grows, in percent of what the last full collection left, before the next one. By itself V8 lets it become four
 * times as large where collecting seems cheap: of 100 MiB that a mount knows of a long directory, 400, most of them garbage.
 */
const HEAP_GROWS_PERCENT = 50

/** How far each half of the space of what is new grows, which it does not give back: what it is in Node.js 20, before it was doubled. */
const MOST_NEW_MIB = 16

/** What node(1) is told for a process that stays: it shall not keep the memory of the machine for what it needs no longer. */
export const SMALL_HEAP: readonly string[] = [
  `--heap-growing-percent=${HEAP_GROWS_PERCENT}`,
  `--max-semi-space-size=${MOST_NEW_MIB}`,
]

/**
 * What malloc(3) is told by mallopt(3)'s variable: that what is as long as a buffer for the content of files goes back to the system once it is
 * free. By itself glibc keeps all that is no longer than what was once given back, up to 32 MiB, in a heap that shrinks only at its end.
 */
export const SMALL_MALLOC = { MALLOC_MMAP_THRESHOLD_: String(128 << 10) } as const
