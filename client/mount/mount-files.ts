import { join } from 'node:path'
import type { WireAttributes } from '../../server/wire/inodes.js'
import { briefly } from '../briefly.js'
import { DiskCache } from '../cache/disk-cache.js'
import { filesThroughDisk } from '../cache/files-through-disk.js'
import { messageOf } from '../error-of.js'
import { fileSystem } from '../fs/operations.js'
import type { CofferFileSystem } from '../fs/options.js'
import { journaledFiles } from '../journal/journaled-files.js'
import type { WriteBack } from '../journal/write-back.js'
import { limitedRate } from '../remote/rate-limit.js'
import { counted, noReads, type ReadCounts } from '../remote/read-counts.js'
import type { Remote } from '../remote/remote.js'
import type { RemoteFiles } from '../remote/remote-files.js'
import type { MountProcess, MountRequest } from './mount-request.js'
import { openWriteBack, withJournal } from './mount-write-back.js'

export interface MountedFiles {
  readonly shown: CofferFileSystem
  readonly writeBack: WriteBack | undefined
  readonly reads: ReadCounts
  close(): Promise<void>
}

export interface MountedRemote {
  readonly remote: Remote
  readonly files: RemoteFiles
  readonly root: WireAttributes
  /** `accountIdentity` */
  readonly account: string
}

/** What is mounted, layer over layer: the server, its rate, the cache on the disk, the journal, the file system. */
export async function mountedFiles(
  request: MountRequest,
  surroundings: Pick<MountProcess, 'clock' | 'log' | 'warn'>,
  { remote, files, root, account }: MountedRemote,
): Promise<MountedFiles> {
  const { log } = surroundings
  const reads = noReads()
  const limit = request.limitRate
  const limited = counted(
    limit === undefined ? files : limitedRate(files, limit, () => performance.now()),
    reads,
  )
  const disk = await openDiskCache(request, account, surroundings)
  let believed = (_: number): WireAttributes | undefined => undefined
  const cached =
    disk === undefined ? limited : filesThroughDisk(limited, disk, (ino) => believed(ino), reads)
  const writeBack = await openWriteBack(request, surroundings, {
    files: cached,
    root,
    connection: remote.connectionSecret,
    isAway: () => remote.state.kind !== 'connected',
    identity: account,
  })
  const shown = fileSystem(writeBack === undefined ? cached : journaledFiles(cached, writeBack), {
    root,
    owner: request.owner,
    locks: request.locks,
    ...(request.umask === undefined ? {} : { umask: request.umask }),
    log: (message, error) => log.warn({ err: error }, message),
  })
  // What waits in the journal is nowhere else as it is shown.
  believed = (ino) => (writeBack?.unsent.of(ino) === undefined ? shown.believed(ino) : undefined)
  return {
    shown: withJournal(withCount(shown, reads), writeBack),
    writeBack,
    reads,
    close: async () => disk?.close(),
  }
}

/** A disk that slept may need as long; of one that hangs nobody waits to be mounted. */
const OPEN_MILLISECONDS = 10_000

async function openDiskCache(
  { cache }: MountRequest,
  identity: string,
  { log, warn }: Pick<MountProcess, 'log' | 'warn'>,
): Promise<DiskCache | undefined> {
  if (cache === undefined) return undefined
  const say = (message: string, error?: unknown) => log.warn({ err: error }, message)
  try {
    const opening = DiskCache.open(join(cache.directory, identity), cache.bytes, say)
    const opened = await briefly(opening, OPEN_MILLISECONDS).catch((error: unknown) => {
      opening.then(
        (late) => late?.close(),
        () => {},
      )
      throw error
    })
    if (opened === undefined) {
      const message = `too many mounts use ${cache.directory}: this one does without a cache there`
      say(message)
      warn(message)
    }
    return opened
  } catch (error) {
    const message = `${cache.directory} cannot be used as a cache: the mount does without`
    say(message, error)
    warn(`${message} (${messageOf(error)})`)
    return undefined
  }
}

function withCount(shown: CofferFileSystem, { served }: ReadCounts): CofferFileSystem {
  return {
    ...shown,
    async read(...parameters) {
      const data = await shown.read(...parameters)
      served.reads += 1
      served.bytes += data.length
      return data
    },
  }
}
