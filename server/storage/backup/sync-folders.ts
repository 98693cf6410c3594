import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeDisk } from '../disk/disk.js'

/** A folder of contents and all that are in it. */
export async function syncFolders(root: string): Promise<void> {
  if (!existsSync(root)) return
  for (const high of await readdir(root)) {
    const folder = join(root, high)
    for (const low of await readdir(folder)) await nodeDisk.syncFolder(join(folder, low))
    await nodeDisk.syncFolder(folder)
  }
  await nodeDisk.syncFolder(root)
}
