import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { isErrno } from '../disk/disk.js'

const COMPLAINT_MAX = 4096
/** Of env(1), where there is no tar(1) to be found. */
const NOT_FOUND = 127

/**
 * Starts tar(1) as it is by itself: by TAR_OPTIONS it would leave out what somebody once wanted left out of something else, and in
 * the locale of another character set it would give files other names.
 */
export function startTar(parameters: readonly string[], stdio: StdioOptions): ChildProcess {
  return spawn('env', ['-u', 'TAR_OPTIONS', 'LC_ALL=C', 'tar', ...parameters], { stdio })
}

/**
 * Resolves when tar(1) has ended well, with what it complained about all the same: what it calls a warning (a socket, an attribute that
 * the disk does not take) is missing then.
 */
export async function tarEnded(tar: ChildProcess): Promise<string> {
  let text = ''
  tar.stderr?.on('data', (more: Buffer) => {
    if (text.length < COMPLAINT_MAX) text += more
  })
  const [code] = await once(tar, 'close').catch((cause) => {
    if (!isErrno(cause, 'ENOENT')) throw cause
    return [NOT_FOUND]
  })
  if (code === NOT_FOUND) {
    throw new Error('tar(1) is needed for this, and is not there: install it first')
  }
  const complaint = text.trim()
  if (code !== 0) throw new Error(`tar failed: ${complaint || `exit status ${code}`}`)
  return complaint
}
