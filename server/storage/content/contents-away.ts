import { join } from 'node:path'
import type { Database } from '../../database/database.js'
import { parseHex } from '../disk/content-path.js'
import { type Disk, nodeDisk } from '../disk/disk.js'
import { STORED } from './stored.js'

/**
 * A disk that is not mounted looks like this. Who served meanwhile would write to the wrong one, and give up what puts back writes that a
 * crash cut short; who repaired would cut all files to nothing, and what they had in them, once it is there again, would be nobody's.
 * @throws where contents are claimed and none is there
 */
export async function refuseWithoutContents({
  directory,
  database,
  disk = nodeDisk,
}: {
  readonly directory: string
  readonly database: Database
  readonly disk?: Disk
}): Promise<void> {
  const root = join(directory, 'content')
  const names = await disk.names(root)
  if (names.some((name) => parseHex(name) !== undefined)) return
  const count = database.prepare<[number], number>('SELECT count(*) FROM inodes WHERE stored = ?')
  const claimed = count.pluck().get(STORED.file) ?? 0
  if (claimed === 0) return
  throw new Error(
    `${root} is empty, and ${claimed} files have their content there: is its disk mounted? If all of it is lost, restore a backup, or make the folder ${join(root, '0')} to go on without`,
  )
}
