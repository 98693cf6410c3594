import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { WireAttributes } from '../../server/wire/inodes.js'
import { briefly } from '../briefly.js'
import { messageOf } from '../error-of.js'
import type { CofferFileSystem } from '../fs/options.js'
import { openJournals } from '../journal/open-journals.js'
import { WriteBack } from '../journal/write-back.js'
import type { RemoteFiles } from '../remote/remote-files.js'
import type { MountProcess, MountRequest } from './mount-request.js'

const LAST_MILLISECONDS = 10_000
export const JOURNAL_BYTES = 1 << 30

/**
 * Names an account on a server by what no other has: the number of its root and when that was made. Whoever logs in at the
 * same address as somebody else, or to another server there, has another one.
 */
export function accountIdentity(server: string, root: WireAttributes): string {
  const digest = createHash('sha256').update(JSON.stringify([server, root.ino, root.crtime]))
  return digest.digest('hex').slice(0, 32)
}

/** The journals of a mount: with --write-back one of its own, and in any case what earlier mounts left. */
export async function openWriteBack(
  request: MountRequest,
  { clock, log, warn }: Pick<MountProcess, 'clock' | 'log' | 'warn'>,
  remote: {
    files: RemoteFiles
    identity: string
    root: WireAttributes
    connection: string
    isAway: () => boolean
  },
): Promise<WriteBack | undefined> {
  const say = (message: string, error?: unknown) => log.warn({ err: error }, message)
  const directory = join(request.stateDirectory, 'journal', remote.identity)
  const keepsNew = request.writeBack !== undefined && !request.readOnly
  const limitBytes = request.writeBack?.bytes ?? JOURNAL_BYTES
  const journals = await openJournals(directory, {
    limitBytes,
    log: say,
    warn,
    own: keepsNew,
  }).catch((error: unknown) => {
    const trouble = keepsNew
      ? 'there can be no journal here: what is written goes to the server at once'
      : 'what an earlier mount left in the journal cannot be sent now'
    say(trouble, error)
    warn(`${trouble} (${messageOf(error)})`)
    return []
  })
  if (journals.length === 0) return undefined
  if (request.readOnly) {
    const message =
      'an earlier mount left files to be sent; a read-only mount leaves them for the next'
    log.warn(message)
    warn(message)
    for (const journal of journals) await journal.close()
    return undefined
  }
  const { root, connection, isAway } = remote
  const options = {
    journals,
    connection,
    keepsNew,
    root: root.ino,
    isAway,
    hostname: hostname(),
    clock,
    log: say,
  }
  const writeBack = new WriteBack(remote.files, options)
  writeBack.saw(root)
  const left = writeBack.pending()
  if (left.files > 0) log.info(left, 'an earlier mount left files to be sent; sending them')
  await writeBack.start()
  return writeBack
}

/** The file system with what waits in the journal counted and waited for as well. */
export function withJournal(
  shown: CofferFileSystem,
  writeBack: WriteBack | undefined,
): CofferFileSystem {
  if (writeBack === undefined) return shown
  return {
    ...shown,
    pending() {
      const here = shown.pending()
      const kept = writeBack.pending()
      return { bytes: here.bytes + kept.bytes, files: here.files + kept.files }
    },
    conflicts() {
      const { overwritten, yielded } = shown.conflicts()
      const { conflicts: copies, yielded: late } = writeBack.sender
      return { overwritten, copies, yielded: yielded + late }
    },
    kept: () => writeBack.pending(),
    async drain() {
      await shown.drain()
      await writeBack.drain()
    },
  }
}

/** After the mount has gone: what can be sent soon is, the rest stays for the next mount. @returns whether all is sent */
export async function endWriteBack(
  writeBack: WriteBack,
  isConnected: boolean,
  log: MountProcess['log'],
): Promise<boolean> {
  const late = new AbortController()
  const drained = writeBack.drain().catch(() => {})
  if (isConnected) {
    await Promise.race([
      drained,
      delay(LAST_MILLISECONDS, undefined, { signal: late.signal }).catch(() => {}),
    ])
    late.abort()
  }
  const left = writeBack.pending()
  if (left.files > 0) log.warn(left, 'not everything was sent; the next mount sends the rest')
  await briefly(writeBack.close(), LAST_MILLISECONDS).catch((error: unknown) => {
    log.warn(
      { err: error },
      'the journal could not be closed; the next mount finds out what was sent',
    )
  })
  return left.files === 0
}
