interface Remembered<Key> {
  readonly size: number
  keys(): Iterable<Key>
  delete(key: Key): boolean
}

/** Keeps a Map or a Set bounded, after each thing that comes in: what came in first goes. */
export function dropOldest<Key>(remembered: Remembered<Key>, most: number): void {
  if (remembered.size <= most) return
  const [oldest] = remembered.keys()
  if (oldest !== undefined) remembered.delete(oldest)
}
