import { readFileSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const made = new Set<string>()

/** What a test that failed, or a worker that ended, has left behind; never through something that is still mounted there. */
process.once('exit', () => {
  const mounts = made.size === 0 ? '' : readFileSync('/proc/self/mounts', 'utf8')
  for (const directory of made)
    if (!mounts.includes(` ${directory}/`)) rmSync(directory, { recursive: true, force: true })
})

/** A new directory of this test's own; the caller removes it when it is done. */
export async function temporaryDirectory(purpose: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), `coffer-test-${purpose}-`))
  made.add(directory)
  return directory
}

export async function removeDirectory(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  made.delete(directory)
}
