import type { Handle } from '../../fuse/filesystem.js'
import type { RemoteLocks } from '../../remote/remote-files.js'
import type { Content } from '../content/content.js'
import type { KnownNode } from '../content/nodes.js'
import type { Lease } from './lease.js'

/** What the locks of a mount need of it. */
export interface LocksMount {
  readonly remote: RemoteLocks
  readonly lease: Lease
  /** Sends what is written and not yet on the server. */
  flush(node: KnownNode): Promise<void>
  /** Resolves once everything this machine believes is as new as this change, down to the kernel's pages. */
  upTo(newest: number): Promise<void>
  /** The same without the kernel, which drops nothing of a directory while a file is made there: who makes it may wait for this. */
  told(newest: number): Promise<void>
  /** With a journal programs go on while the server is away, with what is known: nothing new is heard. */
  isAway(): boolean
  /** The open files of a node. */
  openOf(node: KnownNode): readonly Handle[]
  /** The content of a file, if some of it is written and not yet on the server. */
  unsent(node: KnownNode): Pick<Content, 'isOvertaken'> | undefined
  /** Locks of a file went to somebody else while the server could not be reached: what is unsent goes, and what is cached. */
  lost(node: KnownNode): Promise<void>
  log(message: string, error?: unknown): void
}
