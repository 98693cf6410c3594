import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new directory of this test's own; the caller removes it, or leaves that to `removeDirectory`. */
export async function temporaryDirectory(purpose: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `coffer-test-${purpose}-`))
}

export async function removeDirectory(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 3 })
}
