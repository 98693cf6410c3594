/** Waits as long as the person does. What was under way goes on, so the process is expected to end. @throws the signal's reason */
export async function unlessStopped<T>(work: Promise<T>, stop: AbortSignal): Promise<T> {
  let stopped = (): void => {}
  const over = new Promise<never>((_, reject) => {
    stopped = () => reject(stop.reason)
    stop.addEventListener('abort', stopped, { once: true })
    if (stop.aborted) stopped()
  })
  try {
    return await Promise.race([work, over])
  } finally {
    stop.removeEventListener('abort', stopped)
  }
}
