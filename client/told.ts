import { CommandError } from './command-error.js'
import { MountError } from './fuse/mount-error.js'
import { RemoteError } from './remote-error.js'

/** What a command that failed says: a defect of ours with its place in the program, all else in words. */
export function told(error: unknown): string {
  if (error instanceof CommandError || error instanceof MountError) return error.message
  if (error instanceof RemoteError) return error.message
  if (!(error instanceof Error)) return `unexpected: ${String(error)}`
  const { code, syscall, path }: NodeJS.ErrnoException = error
  if (syscall === 'uv_cwd') {
    return 'the directory that you are in has been removed, or its mount is gone; go to another one with cd'
  }
  if (code !== undefined && path !== undefined) return `${error.message}${ADVICE.get(code) ?? ''}`
  return `unexpected: ${error.stack}`
}

const OURS =
  '; what Coffer keeps must be in directories of yours, and COFFER_CONFIG_DIR and COFFER_STATE_DIR name others'
const ADVICE: ReadonlyMap<string, string> = new Map(
  ['EACCES', 'EPERM', 'ENOTDIR', 'EROFS'].map((code) => [code, OURS]),
)
