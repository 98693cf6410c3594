import { FileError } from '../errors.js'
import { NAME_MAX, PATH_MAX } from '../wire/inodes.js'

declare const parsed: unique symbol

/** One name in a directory: 1 to 255 bytes of UTF-8 without "/" and NUL, not "." or "..". Only `fileName` makes one. */
export type FileName = string & { readonly [parsed]: 'FileName' }

/** A path below some directory as its parsed names; none names the directory itself. */
export type StoragePath = readonly FileName[]

/**
 * Parses a decoded name.
 * @throws FileError EINVAL or ENAMETOOLONG
 */
export function fileName(input: string): FileName {
  if (input === '' || input === '.' || input === '..') {
    throw new FileError('EINVAL', `"${input}" is not a name; "", "." and ".." are not allowed`)
  }
  if (input.includes('/') || input.includes('\0')) {
    throw new FileError('EINVAL', 'a name must not contain "/" or NUL')
  }
  if (!input.isWellFormed()) throw new FileError('EILSEQ', 'a name must be valid UTF-8')
  if (Buffer.byteLength(input) > NAME_MAX) {
    throw new FileError('ENAMETOOLONG', `a name must be at most ${NAME_MAX} bytes of UTF-8`)
  }
  return input as FileName
}

/**
 * Parses the raw, still percent-encoded part of a request target that follows the route's prefix
 * ("/a%20b/c", "a/b/", ""). Encoded slashes, NUL, empty, "." and ".." segments are refused, so no two
 * spellings of a path can mean different things to different readers.
 * @throws FileError EINVAL, EILSEQ or ENAMETOOLONG
 */
export function storagePath(encoded: string): StoragePath {
  const trimmed = encoded.replace(/^\//, '').replace(/\/$/, '')
  if (trimmed === '') return []
  const names = trimmed.split('/').map((segment) => fileName(decoded(segment)))
  const bytes = names.reduce((sum, name) => sum + Buffer.byteLength(name) + 1, 0)
  if (bytes > PATH_MAX) {
    throw new FileError('ENAMETOOLONG', `a path must be at most ${PATH_MAX} bytes of UTF-8`)
  }
  return names
}

/** Strict percent-decoding (RFC 3986 section 2.1). */
function decoded(segment: string): string {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch (cause) {
    throw new FileError('EILSEQ', 'a path must be percent-encoded UTF-8', { cause })
  }
}
