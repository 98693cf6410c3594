import type { WireLockAnswer } from '../../server/wire/locks.js'
import type { WireOperation } from '../../server/wire/operations.js'
import { Declined } from '../http/exchange.js'
import type { Channels, Reply } from './channel.js'
import type { FileRequests } from './file-requests.js'
import { checkedAnswer, checkedInodes, checkedLease } from './lock-answers.js'
import type { LeaseWish, RemoteFencing, RemoteLocks } from './remote-files.js'
import { refused } from './wire-answer.js'

/** The operations of docs/file-api.md about locks. Each may be asked again when its answer was lost: twice is the same as once. */
export function locksOverChannels(
  channels: Pick<Channels, 'ask'>,
  requests: FileRequests,
): RemoteLocks & RemoteFencing {
  async function asked(operation: WireOperation): Promise<Reply['result'] & { outcome: 'done' }> {
    const result = await requests.retry(() => askedOnce(operation))
    if (result.outcome === 'done') return result
    throw refused(result)
  }

  async function askedOnce(operation: WireOperation) {
    const { result } = await channels.ask(operation)
    if (result.outcome === 'done' || result.outcome === 'failed') return result
    // What came before it in the same batch is why: another one may be read.
    throw new Declined('the server did not come to a question about locks')
  }

  async function answered(operation: WireOperation): Promise<WireLockAnswer> {
    return checkedAnswer((await asked(operation)).lock)
  }

  return {
    lock: (ino, wanted) => answered({ op: 'lock', ino, ...wanted }),
    async unlock(ino, range) {
      await asked({ op: 'unlock', ino, range })
    },
    test: (ino, lock) => answered({ op: 'testLock', ino, lock }),
    cancel: (ino, request) => answered({ op: 'cancelLock', ino, request }),
    async giveBack(ino, locks) {
      await asked({ op: 'returnLocks', ino, locks: [...locks] })
    },
    async renew() {
      return checkedLease((await asked({ op: 'renewLocks' })).lease)
    },
    async claim(claims, { isLast: last, run }) {
      const { lost = [] } = await asked({ op: 'claimLocks', claims: [...claims], last, run })
      return checkedInodes(lost)
    },
    async end() {
      await asked({ op: 'endLocks' })
    },
    async fence(secret, locks) {
      await asked({ op: 'fence', secret, locks })
    },
  }
}

/** What was asked for together with something new. */
export function tellLease(lease: LeaseWish, { result }: Reply): void {
  if (result.outcome === 'done' && result.lock !== undefined) {
    lease.answered(checkedAnswer(result.lock))
  }
}
