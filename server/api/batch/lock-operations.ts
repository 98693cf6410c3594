import { z } from 'zod'
import { FileError } from '../../errors.js'
import type { LockClient } from '../../locks/locks.js'
import type { LockRequest } from '../../locks/requests.js'
import { failure } from '../../storage/failure.js'
import type { Ino, Inode } from '../../storage/storage.js'
import { connectionOf } from '../../wire/connection.js'
import {
  LOCK_END,
  LOCK_SPACES,
  LOCK_TYPES,
  type Lock,
  type LockType,
  type WireLockAnswer,
} from '../../wire/locks.js'
import type { WireOperation } from '../../wire/operations.js'
import { wireAttributes } from '../exchange/attributes.js'
import { CONNECTION_SECRET } from '../exchange/origin.js'
import { othersBefore } from '../exchange/others-before.js'
import { inodeNumber } from '../input/schemas.js'
import { type Answer, type Context, type Operation, operation } from './operation.js'

/** The operations of POST /batch that are about locks (docs/file-api.md). None of them waits. */

const MOST_LOCKS_RETURNED = 400
/** What one client calls the holder of a lock. */
const owner = z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, 'must be 1 to 32 of A-Z a-z 0-9 _ -')
const request = owner
const position = z.int().min(0).max(LOCK_END)
const rangeShape = { space: z.enum(LOCK_SPACES), owner, start: position, end: position }
const inOrder = ({ start, end }: { start: number; end: number }) => start <= end
const range = z.strictObject(rangeShape).refine(inOrder, 'must end behind its start')
const lock = z
  .strictObject({ ...rangeShape, type: z.enum(LOCK_TYPES), pid: z.int().min(0) })
  .refine(inOrder, 'must end behind its start')
  .refine(isNoPart, 'of names must be "write", and of all of them')
const locks = z.array(lock).max(MOST_LOCKS_RETURNED)
const ino = inodeNumber
const secret = z.string().regex(CONNECTION_SECRET, 'must be 22 to 64 of A-Z a-z 0-9 _ -')

/** What `make` takes of `lock`. */
export const firstLock = z.strictObject({ request, lock })

type LockOperation =
  | 'lock'
  | 'unlock'
  | 'testLock'
  | 'cancelLock'
  | 'returnLocks'
  | 'renewLocks'
  | 'claimLocks'
  | 'endLocks'
  | 'fence'

export const LOCK_OPERATIONS: {
  readonly [Op in Extract<WireOperation['op'], LockOperation>]: Operation
} = {
  lock: operation(
    'read',
    { ino, request, lock, wait: z.boolean().default(false), delegable: z.boolean().default(false) },
    async (context, { ino, request, lock, wait, delegable }) => {
      const client = clientOf(context)
      checkScope(context, lock.type)
      await context.tree.stat(ino)
      const wanted = { request, lock, waits: wait, delegable }
      return answered(await decided(context, client, ino, wanted))
    },
  ),
  unlock: operation('read', { ino, range }, async (context, { ino, range }) => {
    context.locks.unlock(clientOf(context), ino, range)
    return DONE
  }),
  testLock: operation('read', { ino, lock }, async (context, { ino, lock }) => {
    await context.tree.stat(ino)
    const found = context.locks.test(clientOf(context), ino, lock)
    if (found === 'none') return answered({ state: 'free' })
    return answered(found === 'unknown' ? { state: 'waiting' } : { state: 'held', lock: found })
  }),
  cancelLock: operation('read', { ino, request }, async (context, { ino, request }) => {
    const isCancelled = context.locks.cancel(clientOf(context), ino, request)
    return answered({ state: isCancelled ? 'cancelled' : 'decided' })
  }),
  returnLocks: operation('read', { ino, locks }, async (context, { ino, locks }) => {
    const client = clientOf(context)
    for (const { type } of locks) checkScope(context, type)
    context.locks.giveBack(client, ino, locks)
    return DONE
  }),
  renewLocks: operation('read', {}, async (context) => {
    const { locks } = context
    const client = clientOf(context)
    const renewed = locks.renew(client)
    const recalls = renewed.state === 'held' ? renewed.recalls : []
    const lease = {
      state: renewed.state,
      milliseconds: locks.leaseLeft(client),
      run: locks.run,
      recalls,
    }
    return { header: { outcome: 'done', lease } }
  }),
  claimLocks: operation(
    'read',
    {
      claims: z.array(z.strictObject({ ino, locks })).max(MOST_LOCKS_RETURNED),
      last: z.boolean(),
      run: z.string().optional(),
    },
    async (context, { claims, last, run }) => {
      const client = clientOf(context)
      if (run !== undefined && run !== context.locks.run) {
        throw new FileError(
          'ESTALE',
          'the server has started again: what was claimed before is lost',
        )
      }
      for (const { locks } of claims) for (const { type } of locks) checkScope(context, type)
      const lost = context.locks.claim(client, claims, last)
      return { header: { outcome: 'done', lost } }
    },
  ),
  endLocks: operation('read', {}, async (context) => {
    context.locks.end(clientOf(context))
    return DONE
  }),
  // The order counts: nothing of it takes a lock behind the end of its locks.
  fence: operation(
    'read',
    { secret, locks: z.enum(['keep', 'end']) },
    async ({ tree, fence, locks: held }, { secret, locks }) => {
      const client = { user: tree.owner, connection: connectionOf(secret) }
      if (held.isListening(client)) throw new FileError('EBUSY', 'that connection is still there')
      fence(client.connection)
      if (locks === 'end') held.end(client)
      else held.renew(client)
      return DONE
    },
  ),
}

/** Makes something, and asks for a lock of it. Should that be refused it is made all the same, and the answer says so. */
export async function madeWithLock(
  context: Context,
  { request, lock }: z.output<typeof firstLock>,
  make: () => Promise<Inode>,
): Promise<Answer> {
  const client = clientOf(context)
  const inode = await make()
  const wanted = { request, lock, waits: false, delegable: true }
  const answer = await decided(context, client, inode.ino, wanted).catch(refusal)
  const { header } = answered(answer)
  const others = othersBefore(context.tree, context.origin)
  return { header: { ...header, ...others, attributes: wireAttributes(inode) } }
}

async function decided(
  { tree, locks, origin }: Context,
  client: LockClient,
  ino: Ino,
  wanted: LockRequest,
): Promise<WireLockAnswer> {
  // It may have been fenced since the operation began.
  origin.mustBeWanted?.()
  const answer = locks.lock(client, ino, wanted)
  if (answer.state !== 'granted') return answer
  try {
    const { version } = await tree.stat(ino)
    const newest = await tree.changes.newest()
    locks.tellWhenTold(client, newest)
    return { ...answer, newest, version, lease: locks.leaseLeft(client) }
  } catch (error) {
    // Removed meanwhile: who does not hear of a lock lets go of none.
    if (error instanceof FileError) {
      locks.giveBack(client, ino, [])
      locks.unlock(client, ino, wanted.lock)
    }
    throw error
  }
}

function refusal(error: unknown): WireLockAnswer {
  if (failure(error) instanceof FileError) return { state: 'refused', code: 'ENOLCK' }
  throw error
}

const DONE: Answer = { header: { outcome: 'done' } }

function answered(lock: WireLockAnswer) {
  return { header: { outcome: 'done' as const, lock } }
}

/** Locks are of a connection: they go with it. */
function clientOf({ tree, origin: { connection } }: Context): LockClient {
  if (connection !== undefined) return { user: tree.owner, connection }
  throw new FileError('EINVAL', 'locks need a request that names its Coffer-Connection')
}

/** Whoever has a lease of names keeps others from giving some, which takes the right to write. */
function isNoPart({ space, type, start, end }: Lock): boolean {
  return space !== 'names' || (type === 'write' && start === 0 && end === LOCK_END)
}

function checkScope({ mayWrite }: Context, type: LockType): void {
  if (type === 'write' && !mayWrite) {
    throw new FileError('EACCES', 'an exclusive lock needs the scope file.write')
  }
}
