import { strongEtag } from '../../http/etag.js'
import type { Entry, Inode, Totals } from '../../storage/storage.js'
import type { WireAttributes, WireEntry, WireTotals } from '../../wire/inodes.js'

const NANOSECONDS_PER_MILLISECOND = 1_000_000n
/** Clients give up on header sections of 16 KiB; all attributes but a long target are a few hundred bytes. */
const MAX_TARGET_IN_FIELD = 4096
const BLOCK_BYTES = 4096

/** Cut off to the past, as the database does where it spells them. */
function wholeMilliseconds(time: bigint): number {
  const from = time < 0n ? time - NANOSECONDS_PER_MILLISECOND + 1n : time
  return Number(from / NANOSECONDS_PER_MILLISECOND)
}

export function wireAttributes(inode: Inode): WireAttributes {
  const attributes: WireAttributes = {
    ino: inode.ino,
    type: inode.type,
    mode: inode.mode,
    uid: inode.uid,
    gid: inode.gid,
    nlink: inode.nlink,
    size: inode.size,
    rdev: inode.rdev,
    atime: String(inode.atime),
    mtime: String(inode.mtime),
    ctime: String(inode.ctime),
    crtime: String(inode.crtime),
    version: inode.version,
    generation: inode.generation,
    etag: strongEtag(inode),
    modified_time: new Date(wholeMilliseconds(inode.mtime)).toISOString(),
  }
  if (inode.allocated !== undefined) attributes.allocated = inode.allocated
  if (inode.target !== undefined) attributes.target = inode.target
  if (inode.permissions > 0) attributes.permissions = inode.permissions
  return attributes
}

export function wireEntry({ name, inode }: Entry): WireEntry {
  return { name, ...wireAttributes(inode) }
}

/** An entry of a directory in JSON. */
export function entryJson(entry: string | Entry): string {
  return typeof entry === 'string' ? entry : JSON.stringify(wireEntry(entry))
}

/** The attributes in JSON, as a body. */
export function attributesJson(inode: Inode): string {
  return spelled(inode).json
}

/** The same of an inode that is told of only once: to keep it at hand would cost as much as to make it. */
export function newAttributesJson(inode: Inode): string {
  return JSON.stringify(wireAttributes(inode))
}

/** The attributes as the value of a header field: JSON in visible ASCII. A very long target is left to the body. */
export function attributesField(inode: Inode): string {
  const known = spelled(inode)
  if (inode.target === undefined) return known.json
  const json = ascii(known.json)
  if (json.length <= MAX_TARGET_IN_FIELD) return json
  const { target: _target, ...others } = wireAttributes(inode)
  return JSON.stringify(others)
}

/** The strong validator; stays at hand with the inode, as its attributes do. */
export function etagOf(inode: Inode): string {
  return spelled(inode).etag
}

interface Spelled {
  readonly json: string
  readonly etag: string
}
const spellings = new WeakMap<Inode, Spelled>()

/** What many answers say about an inode, made once: the engine answers with the same object until the inode changes. */
function spelled(inode: Inode): Spelled {
  const known = spellings.get(inode)
  if (known !== undefined) return known
  const attributes = wireAttributes(inode)
  const made = { json: JSON.stringify(attributes), etag: attributes.etag }
  spellings.set(inode, made)
  return made
}

export function wireTotals(totals: Totals, name_max: number): WireTotals {
  return {
    block_size: BLOCK_BYTES,
    total_bytes: totals.totalBytes,
    free_bytes: totals.freeBytes,
    total_inodes: totals.totalInodes,
    free_inodes: totals.freeInodes,
    name_max,
  }
}

function ascii(json: string): string {
  return json.replace(
    /[\x7f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
