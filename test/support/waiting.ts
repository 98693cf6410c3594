/** Before the time of mocha's own tests is up, which says only that it is. */
const NOTE_MILLISECONDS = 20_000

/** Says on standard error what a test waits for, as often as it has waited long for it. */
export async function whileWaiting<T>(what: () => string, work: Promise<T>): Promise<T> {
  const began = performance.now()
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - began) / 1000)
    process.stderr.write(`WAITING for ${seconds} s: ${what()}\n`)
  }, NOTE_MILLISECONDS)
  timer.unref()
  try {
    return await work
  } finally {
    clearInterval(timer)
  }
}
