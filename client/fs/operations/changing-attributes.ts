import type { WireAttributeChanges, WireAttributes } from '../../../server/wire/inodes.js'
import type { Node } from '../../fuse/filesystem.js'
import { withoutPrivileges } from '../../privileges.js'
import { orStale } from '../answer.js'
import type { KnownNode } from '../content/nodes.js'
import { asSet, isOnlyKnownThere, shownChanges } from '../content/pending-attributes.js'
import type { MountState } from '../mount-state.js'
import { localTime } from '../time.js'

/** chmod(2), chown(2), utimensat(2). */
export class ChangingAttributes {
  readonly #state: MountState

  constructor(state: MountState) {
    this.#state = state
  }

  async change(node: Node, changes: WireAttributeChanges): Promise<void> {
    if (Object.keys(changes).length === 0) return
    const { files, cache, nodes, contents, unawaited } = this.#state
    const known = nodes.get(node)
    if (known?.removed !== undefined) {
      // Nobody else can see it any more: the server need not know.
      known.removed = { ...known.removed, ...shownChanges(changes), ctime: localTime() }
      return
    }
    const isWritten = known !== undefined && (known.writers > 0 || known.content?.isClean === false)
    if (isWritten) {
      const content = await contents.of(known)
      await content.setAttributes(changes)
      return
    }
    if (this.#isForeseen(known, changes)) return
    const ticket = cache.ticket()
    cache.changedTo(await orStale(files.setAttributes(nodes.ino(node), changes)), ticket)
    unawaited.learn('done')
  }

  /** Writing takes set-user-ID and set-group-ID away (write(2)). */
  async dropPrivileges(node: Node): Promise<void> {
    const { mode, type } = await this.#now(node)
    if (type === 'file' && mode !== withoutPrivileges(mode))
      await this.change(node, { mode: withoutPrivileges(mode) })
  }

  /** Of what is being set: how it is shown until the server has answered. */
  meanwhile(ino: number): WireAttributes | undefined {
    const { cache, unawaited } = this.#state
    const [oldest] = unawaited.setOf(ino)
    return oldest && (cache.attributes(ino)?.value ?? oldest.known)
  }

  async #now(node: Node): Promise<WireAttributes> {
    const { nodes, unawaited } = this.#state
    const written = nodes.get(node)?.content?.attributes()
    if (written !== undefined) return written
    const ino = nodes.ino(node)
    const meanwhile = this.meanwhile(ino)
    if (meanwhile !== undefined) return asSet(meanwhile, unawaited.setOf(ino))
    return (await this.#state.stat(ino)).value
  }

  /**
   * Whether it will succeed as far as anybody can know beforehand: we are told what others change, and by that it is there; the kernel
   * has seen to whose it is. Then nobody need wait for it.
   */
  #isForeseen(known: KnownNode | undefined, changes: WireAttributeChanges): boolean {
    const { cache, unawaited } = this.#state
    if (known === undefined || known.isOrphan) return false
    if (!cache.isVouched || !unawaited.hasRoom('attributes')) return false
    const { ino } = known
    const underWay = unawaited.setOf(ino)
    const last = underWay.at(-1)?.known ?? cache.attributes(ino)?.value
    if (last === undefined || !isPlain(last, changes)) return false
    const change = { changes, time: unawaited.timeAfter(last.ctime) }
    const set = [...underWay, change]
    if (set.some(isOnlyKnownThere)) cache.changed(ino)
    else cache.changedTo(asSet(last, set), cache.ticket())
    unawaited.add({ kind: 'attributes', ino, ...change, known: last, ticket: cache.ticket() })
    return true
  }
}

/** What has a mode can be given another one; FIFOs and their like go on here when their name is taken away. */
function isPlain({ type }: WireAttributes, { mode }: WireAttributeChanges): boolean {
  return type === 'file' || type === 'directory' || (type === 'symlink' && mode === undefined)
}
