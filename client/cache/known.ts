/** What the cache keeps of a tree, and since when; `epoch`: under which vouching of the change stream, negative where it did not vouch. */
export interface Known<T> {
  readonly value: T
  readonly since: number
  readonly epoch: number
}

/** Another value, believed as that one was. */
export function believedAs<T>({ since, epoch }: Known<unknown>, value: T): Known<T> {
  return { value, since, epoch }
}

export interface Fresh<T> {
  readonly value: T
  readonly milliseconds: number
}

export interface Directory {
  readonly names: Map<string, Known<number>>
  /** Set when every name was listed: then what is not there is absent. */
  complete: Known<true> | undefined
}

/** The "inode" of a name that does not exist. */
export const ABSENT = 0
