import { FileError } from '../../errors.js'
import { originForm } from '../../http/origin-form.js'
import { type StoragePath, storagePath } from '../../storage/path.js'
import type { Ino } from '../../storage/storage.js'

/** What a request target is about (docs/file-api.md, "Where something is" and "Beside the tree"). */
export type TargetKind = 'server' | 'tree' | 'inodes' | 'totals' | 'batch' | 'changes' | 'upload'

/** A raw request target, not decoded and not normalised, so that ".." and "%2f" are seen for what they are. */
export interface RawTarget {
  readonly kind: TargetKind
  readonly path: string
  readonly query: string
}

/** A place in the tree: a directory to start from and names below it. */
export interface TreeTarget {
  readonly from: Ino | 'root'
  readonly names: StoragePath
}

/** Ids are 128 random bits in base64url. */
const UPLOAD = /^\/uploads\/([A-Za-z0-9_-]{22})$/
const KINDS: readonly (readonly [RegExp, TargetKind])[] = [
  [/^\/files(?:\/|$)/, 'tree'],
  [/^\/inodes\//, 'tree'],
  [/^\/inodes$/, 'inodes'],
  [/^\/totals$/, 'totals'],
  [/^\/batch$/, 'batch'],
  [/^\/changes$/, 'changes'],
  [UPLOAD, 'upload'],
  // asterisk-form: the server as a whole (RFC 9112 section 3.2.4)
  [/^\*$/, 'server'],
]
const INODE = /^\/inodes\/([^/]*)(.*)$/s
const INO = /^[1-9]\d{0,15}$/
/** VCHAR without "#": what is not ASCII must be percent-encoded, and a fragment has no place here (RFC 3986 section 2). */
const VISIBLE = /^[\x21\x22\x24-\x7e]*$/

/** @returns undefined for what belongs to another part of the site */
export function rawTarget(url: string): RawTarget | undefined {
  // nearly all there is, and no need to look twice
  if (url.startsWith('/files/')) return split('tree', url)
  const origin = originForm(url)
  const mark = origin.indexOf('?')
  const path = mark === -1 ? origin : origin.slice(0, mark)
  const kind = KINDS.find(([prefix]) => prefix.test(path))?.[1]
  return kind && split(kind, origin)
}

function split(kind: TargetKind, origin: string): RawTarget {
  const mark = origin.indexOf('?')
  if (mark === -1) return { kind, path: origin, query: '' }
  return { kind, path: origin.slice(0, mark), query: origin.slice(mark + 1) }
}

/** The id of a target of kind `upload`; empty for all others. */
export function uploadId(path: string): string {
  return UPLOAD.exec(path)?.[1] ?? ''
}

/**
 * The place that the path of a target of kind `tree` names.
 * @throws FileError EINVAL, EILSEQ, ENAMETOOLONG, ENOENT
 */
export function treeTarget(path: string): TreeTarget {
  if (!VISIBLE.test(path)) {
    throw new FileError('EINVAL', 'a path must be percent-encoded UTF-8 without "#"')
  }
  const [, ino, below] = INODE.exec(path) ?? []
  if (ino === undefined || below === undefined) return tree('root', path.slice('/files'.length))
  return tree(parseIno(ino), below)
}

/** @throws FileError EINVAL for what is no number, ENOENT for one no inode can have */
function parseIno(digits: string): Ino {
  if (!/^\d+$/.test(digits)) throw new FileError('EINVAL', 'an inode is named by its number')
  const ino = Number(digits)
  if (!INO.test(digits) || !Number.isSafeInteger(ino)) {
    throw new FileError('ENOENT', `there is no inode ${digits.slice(0, 32)}`)
  }
  return ino
}

function tree(from: Ino | 'root', encoded: string): TreeTarget {
  // "//" has an empty segment, which is not the same as one trailing slash
  if (encoded.startsWith('//')) {
    throw new FileError('EINVAL', 'a path must not have empty segments')
  }
  return { from, names: storagePath(encoded) }
}
