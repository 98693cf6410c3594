import type { Ino, Origin, Place, UserId } from './storage.js'

/**
 * Knows directories whose new names are for one client alone to give (a lease). Whoever else brings a name into one (make, link,
 * rename, copy, an upload) first waits until the lease is given back or over. Removing needs no leave.
 */
export interface NameGuard {
  /**
   * What keeps a name from being brought into a directory now, if anything: it is asked to go. Resolves when there may be something
   * new. @throws FileError EBUSY when there will be nothing any more
   */
  leased(owner: UserId, directory: Ino, origin: Origin): Promise<void> | undefined
}

/** Nobody has a lease. */
export const UNGUARDED: NameGuard = { leased: () => undefined }

/** Brings a name into a directory once it may: in the same step in which that is known. */
export async function whenFree<T>(
  names: NameGuard,
  owner: UserId,
  { directory }: Place,
  origin: Origin,
  work: (hasWaited: boolean) => T,
): Promise<T> {
  let lease = names.leased(owner, directory, origin)
  const hasWaited = lease !== undefined
  while (lease !== undefined) {
    try {
      await lease
    } catch (error) {
      origin.leave?.()
      throw error
    }
    lease = names.leased(owner, directory, origin)
  }
  if (hasWaited) origin.mustBeThere?.()
  return work(hasWaited)
}
