let end: Promise<void> | undefined

/**
 * The end of this turn of the event loop, once all connections that had something to say were read. What is sent then goes
 * out together: an answer that goes out by itself wakes its client by itself, which costs as much as the rest of a quick
 * request does, and the next requests come one by one as well.
 */
export function endOfTurn(): Promise<void> {
  end ??= new Promise((resolve) => {
    setImmediate(() => {
      end = undefined
      resolve()
    })
  })
  return end
}
