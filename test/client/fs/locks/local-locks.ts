import type { RemoteLocks, RemoteNews } from '../../../../client/remote/remote-files.js'
import { RemoteError } from '../../../../client/remote-error.js'
import type { Locks } from '../../../../server/locks/locks.js'
import type { LockNews } from '../../../../server/locks/mailbox.js'
import type { Tree } from '../../../../server/storage/storage.js'

/** The server's locks, which may be another one's after a restart. */
export interface LockServer {
  readonly locks: Locks
  /** Calls back when the server starts again. */
  restarted(callback: () => void): void
}

/** What goes wrong between a machine and the server, as a test has it. */
export interface Fault {
  /** While it returns an error the operation fails with it. */
  next?: (operation: string, ino?: number) => Error | undefined
  /** An operation comes to the server only then. */
  before?: (operation: string) => Promise<void> | undefined
  /** The answer to an operation that was carried out comes only then. */
  answer?: (operation: string) => Promise<void> | undefined
  /** A copy is made, but the answer that tells how much it was is lost. */
  forgets?: () => boolean
  /** Whether what is written may still be, in the step that makes it. @throws RemoteError ESTALE */
  mustHold?: (ino: number) => void
  /** The kernel has dropped what it was told to. */
  settled?: () => Promise<void>
  /** The same, of attributes and pages alone. */
  inodesSettled?: () => Promise<void>
  /** Until then the stream of changes tells nothing. */
  quiet?: Promise<void>
}

/** The server's locks without HTTP between, and its stream of changes with what it tells of them. */
export function localLocks(
  server: LockServer,
  tree: Tree,
  connection: string,
  fault: Fault,
): {
  remote: RemoteLocks
  changes(signal: AbortSignal): AsyncGenerator<RemoteNews>
  /** @throws RemoteError ESTALE for what is written under a lock that was lost */
  refuseFenced(ino: number): void
} {
  const client = { user: tree.owner, connection }

  function asked<T>(operation: string, work: () => T, ino?: number): Promise<T> {
    const error = fault.next?.(operation, ino)
    if (error !== undefined) return Promise.reject(error)
    return (async () => {
      await fault.before?.(operation)
      return work()
    })()
  }

  const remote: RemoteLocks = {
    async lock(ino, { wait, ...rest }) {
      const { locks } = server
      const decided = () => locks.lock(client, ino, { ...rest, waits: wait })
      const answer = await asked('lock', decided, ino)
      if (answer.state !== 'granted') return answer
      const newest = await tree.changes.newest()
      locks.tellWhenTold(client, newest)
      const { version } = await tree.stat(ino)
      return { ...answer, newest, version, lease: locks.leaseLeft(client) }
    },
    unlock: (ino, range) => asked('unlock', () => server.locks.unlock(client, ino, range)),
    async test(ino, lock) {
      const found = server.locks.test(client, ino, lock)
      if (found === 'none') return { state: 'free' }
      return found === 'unknown' ? { state: 'waiting' } : { state: 'held', lock: found }
    },
    async cancel(ino, request) {
      const isCancelled = server.locks.cancel(client, ino, request)
      return { state: isCancelled ? 'cancelled' : 'decided' }
    },
    giveBack: (ino, locks) => asked('returnLocks', () => server.locks.giveBack(client, ino, locks)),
    renew: () =>
      asked('renewLocks', () => {
        const { locks } = server
        const renewed = locks.renew(client)
        const recalls = renewed.state === 'held' ? renewed.recalls : []
        const { run } = locks
        const milliseconds = locks.leaseLeft(client)
        return { state: renewed.state, milliseconds, run, recalls }
      }),
    claim: (claims, { isLast, run }) =>
      asked('claimLocks', () => {
        if (run !== server.locks.run) throw new RemoteError('ESTALE', 'another run of the server')
        return server.locks.claim(client, claims, isLast)
      }),
    end: async () => server.locks.end(client),
  }

  async function* changes(signal: AbortSignal): AsyncGenerator<RemoteNews> {
    let wake = () => {}
    let seq = await tree.changes.newest()
    while (!signal.aborted) {
      let isOver = false
      server.restarted(() => {
        isOver = true
        wake()
      })
      const box = server.locks.listen(client)
      box.put({ kind: 'told', newest: await tree.changes.newest() })
      yield { kind: 'connected' }
      while (!signal.aborted && !isOver) {
        await fault.quiet
        // Taken before the changes are read: what happened before it is told before it.
        const news = box.take()
        const page = await tree.changes.after(seq, 500)
        if (page.kind === 'expired') throw new Error('the log is too short for this test')
        for (const change of page.changes) {
          seq = change.seq
          if (change.origin !== connection) yield { kind: 'change', change: { ...change } }
        }
        for (const one of news) yield told(one)
        if (isOver || !box.isEmpty || page.changes.length > 0) continue
        const woken = new Promise<void>((resolve) => {
          wake = resolve
        })
        box.wake = wake
        await Promise.race([tree.changes.wait(seq, signal).catch(() => {}), woken])
      }
      box.close()
      yield { kind: 'lost' }
    }
  }
  function refuseFenced(ino: number): void {
    try {
      server.locks.refuseFenced(tree.owner, connection, ino)
    } catch (cause) {
      throw new RemoteError('ESTALE', 'fenced', { cause })
    }
  }
  return { remote, changes, refuseFenced }
}

function told(news: LockNews): RemoteNews {
  return news.kind === 'lock' ? { kind: 'lock', request: news.request } : news
}
