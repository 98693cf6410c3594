/** What is there, or will be. Most answers to the kernel are known at once: those cost no promise and no turn of the event loop. */
export type Soon<T> = T | Promise<T>

/** Goes on with a value, at once if it is there. */
export function when<T, Result>(value: Soon<T>, use: (value: T) => Soon<Result>): Soon<Result> {
  return value instanceof Promise ? value.then(use) : use(value)
}
