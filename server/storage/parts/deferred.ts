export interface Deferred {
  readonly promise: Promise<void>
  readonly resolve: () => void
}

/** A promise that somebody else resolves. */
export function deferred(): Deferred {
  let resolve: () => void = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
