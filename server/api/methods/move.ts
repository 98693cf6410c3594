import { FileError, PreconditionFailed } from '../../errors.js'
import { destinationPath, parseDepth, parseFlag } from '../../http/destination.js'
import { field } from '../../http/field.js'
import {
  type Ino,
  type Inode,
  overwrite,
  type Place,
  type Precondition,
} from '../../storage/storage.js'
import { HEADERS } from '../../wire/headers.js'
import { answerEmpty } from '../exchange/answer.js'
import { settled } from '../exchange/durability.js'
import type { Exchange } from '../exchange/exchange.js'
import { othersField } from '../exchange/others-before.js'
import { inodeAt, placeAt, placeOf } from '../exchange/place.js'
import { precondition } from '../exchange/preconditions.js'
import { rawTarget, treeTarget } from '../exchange/target.js'

/** MOVE: renameat2(2) as RFC 4918 section 9.9 asks for it. */
export async function move(exchange: Exchange): Promise<void> {
  const { request, tree, query, origin } = exchange
  const swap = parseFlag(HEADERS.exchange, field(request.headers, HEADERS.exchange), 'F') === 'T'
  const replace = mayReplace(exchange)
  if (swap && !replace) {
    // as RENAME_EXCHANGE with RENAME_NOREPLACE
    throw new FileError('EINVAL', `${HEADERS.exchange}: T and Overwrite: F exclude each other`)
  }
  const source = precondition(exchange)
  const to = await destination(exchange)
  const from = await placeAt(exchange)
  const mode = swap ? 'exchange' : replace ? 'replace' : 'noreplace'
  const apart = swap ? { source, target: overwrite } : differing(source, unless(replace))
  const keep = query.has('keep')
  const how = { mode, keep, source: apart.source, precondition: apart.target } as const
  try {
    const { inode, replaced } = await tree.rename(from, to, how, origin)
    await settled(exchange, inode.ino)
    answerEmpty(exchange, replaced || swap ? 204 : 201, inode, othersField(tree, origin))
  } catch (error) {
    throw asOverwrite(error, replace)
  }
}

/** COPY: on the server, a directory with all it contains unless Depth is 0 (RFC 4918 section 9.8). */
export async function copy(exchange: Exchange): Promise<void> {
  const { request, tree, origin } = exchange
  const deep = parseDepth(field(request.headers, 'Depth')) === 'infinity'
  const replace = mayReplace(exchange)
  const source = precondition(exchange)
  const to = await destination(exchange)
  const from = await inodeAt(exchange)
  const how = { deep, source, precondition: unless(replace) }
  try {
    const { inode, replaced } = await tree.copy(from.ino, to, how, origin)
    await settled(exchange, inode.ino)
    answerEmpty(exchange, replaced ? 204 : 201, inode)
  } catch (error) {
    throw asOverwrite(error, replace)
  }
}

async function destination({ request, tree }: Exchange): Promise<Place> {
  const { host } = request.headers
  const origins = host === undefined ? [] : [`https://${host}`, `http://${host}`]
  const path = destinationPath(
    field(request.headers, 'Destination'),
    origins.map((origin) => origin.toLowerCase()),
  )
  if (rawTarget(path)?.kind !== 'tree') {
    throw new FileError('EINVAL', 'Destination must be below /files/ or /inodes/')
  }
  const to = treeTarget(path)
  return placeOf(tree, to.from === 'root' ? tree.root : to.from, to.names)
}

function mayReplace({ request }: Exchange): boolean {
  return parseFlag('Overwrite', field(request.headers, 'Overwrite'), 'T') === 'T'
}

/**
 * rename(2) of a file onto itself, by the same name or another one, succeeds and does nothing. Who asked for a MOVE would
 * believe that the source is gone: that is refused (RFC 4918 section 9.9.4).
 */
function differing(source: Precondition, target: Precondition) {
  let moving: Ino | undefined
  return {
    source: (current: Inode | undefined) => {
      source(current)
      moving = current?.ino
    },
    target: (current: Inode | undefined) => {
      target(current)
      if (current !== undefined && current.ino === moving) {
        throw new FileError('EPERM', 'the source and the destination are the same')
      }
    },
  }
}

function unless(replace: boolean): Precondition {
  if (replace) return overwrite
  return (current) => {
    if (current !== undefined) throw exists()
  }
}

/** "Overwrite: F" on something that exists is 412 (RFC 4918 section 10.6), wherever it was noticed. */
function asOverwrite(error: unknown, replace: boolean): unknown {
  const clash = error instanceof FileError && error.code === 'EEXIST'
  return clash && !replace ? exists() : error
}

function exists(): PreconditionFailed {
  return new PreconditionFailed('EEXIST', 'the destination exists, and Overwrite is F')
}
