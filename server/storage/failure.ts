import { DISK_FULL_CODES } from '../database/full-disk.js'
import { FileError } from '../errors.js'
import type { FileErrorCode } from '../wire/errors.js'

type Known = readonly [FileErrorCode, string]

const FULL: Known = ['ENOSPC', 'the disk of the server is full; free some space and try again']

/** What node:fs and SQLite report about the disk, and what it means to the user. */
const DISK_ERRORS: Readonly<Record<string, Known>> = {
  ENOSPC: FULL,
  EDQUOT: FULL,
  ...Object.fromEntries(DISK_FULL_CODES.map((code) => [code, FULL])),
  EFBIG: ['EFBIG', 'the disk of the server cannot hold a file of this size'],
  EROFS: ['EROFS', 'the disk of the server is read-only'],
  SQLITE_READONLY: ['EROFS', 'the disk of the server is read-only'],
  SQLITE_BUSY: ['EBUSY', 'the server is busy with maintenance; try again'],
  EMFILE: ['EBUSY', 'the server has too many files open; try again'],
  ENFILE: ['EBUSY', 'the server has too many files open; try again'],
}

/** What went wrong with the disk, as the FileError the caller gets; errors of our own pass through. */
export function failure(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof FileError) return error
  if (!('code' in error) || typeof error.code !== 'string') return error
  const known =
    DISK_ERRORS[error.code] ??
    Object.entries(DISK_ERRORS).find(([code]) => String(error.code).startsWith(`${code}_`))?.[1]
  if (known !== undefined) return new FileError(known[0], known[1], { cause: error })
  const disk = 'syscall' in error || error.code.startsWith('SQLITE_IOERR')
  if (!disk) return error
  return new FileError(
    'EIO',
    'the disk of the server failed; its owner finds the reason in the log',
    {
      cause: error,
    },
  )
}
