import { open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from './directory.js'
import { run } from './process.js'

/** A disk of its own, which something else fills. */
export interface SmallDisk {
  readonly directory: string
  /** Takes the last byte of it. */
  fill(): Promise<void>
  /** Gives back what was taken so. */
  clear(): Promise<void>
  remove(): Promise<void>
}

/** Only root may mount one. */
export async function smallDisk(purpose: string, bytes: number): Promise<SmallDisk> {
  const directory = await temporaryDirectory(purpose)
  await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'none', directory])
  const filler = join(directory, 'filler')
  return {
    directory,
    async fill() {
      const file = await open(filler, 'a')
      const piece = Buffer.alloc(1 << 20) // of the last one what there is room for
      try {
        for (;;) await file.write(piece)
      } catch {
        expect((await statfs(directory)).bavail).to.equal(0)
      } finally {
        await file.close()
      }
    },
    clear: () => rm(filler, { force: true }),
    async remove() {
      await run('umount', ['--lazy', directory]) // what was removed may still be going
      await removeDirectory(directory)
    },
  }
}
