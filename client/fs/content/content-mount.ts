import type { WireAttributes } from '../../../server/wire/inodes.js'
import type { Cache } from '../../cache/cache.js'
import type { Ticket } from '../../cache/latest-changes.js'
import type { RemoteFiles } from '../../remote/remote-files.js'
import type { Birth } from './birth.js'
import type { BlockBuffers } from './block-buffers.js'
import type { Budget } from './budget.js'
import type { KnownNode } from './nodes.js'
import type { WrittenFiles } from './written-files.js'

/** What the contents of all files share. */
export interface ContentMount {
  readonly files: RemoteFiles
  readonly cache: Cache
  readonly budget: Budget
  readonly blocks: BlockBuffers
  readonly written: Pick<WrittenFiles, 'keep'>
  now(): number
  /**
   * Where the locks may be gone under which it was written, what is to be awaited before it is sent. A journal takes it without the
   * server.
   */
  beforeSending(node: KnownNode): Promise<void> | undefined
  /** The server has a version that neither we nor the kernel have seen. */
  foreign(node: KnownNode): void
  /** The file was sent for the first time; it may turn out to be another inode than planned. */
  born(node: KnownNode, birth: Birth, attributes: WireAttributes, ticket: Ticket): void
  /** What was sent went over a change of another machine that nobody here had seen. */
  overtook(node: KnownNode, how: 'rewritten here' | 'sent late'): void
  /** These attributes that were set here, and could not be sent, are given up: another machine has set them meanwhile. */
  yielded(node: KnownNode, attributes: readonly string[]): void
  /** A new file was given up before the server heard of it, or is not at its place any more. */
  forsaken(birth: Birth): void
  /** Memory is short: others send what they hold. */
  relieve(): Promise<void>
}
