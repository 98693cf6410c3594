import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { attributeCases, ownerCases } from './attributes.js'
import { contentCases } from './content.js'
import { directoryCases } from './directories.js'
import type { Cases } from './errno.js'
import { linkCases, symlinkCases } from './links.js'
import { lockCases } from './locks.js'
import { memoryCases } from './memory.js'
import { nameCases } from './names.js'
import { openCases } from './open.js'
import { rangeCases } from './ranges.js'
import { renameCases } from './rename.js'
import { hasTmpfile, tmpfileCases } from './tmpfile.js'
import { xattrCases } from './xattrs.js'

/** The suite as data: topic, then case. Its sources are POSIX.1-2017 and the Linux man pages. */
export const posix: Readonly<Record<string, Cases>> = {
  'open(2)': openCases,
  ...(hasTmpfile ? { 'open(2) with O_TMPFILE': tmpfileCases } : {}),
  'read(2) and write(2)': contentCases,
  'rename(2)': renameCases,
  'link(2) and unlink(2)': linkCases,
  'symlink(2)': symlinkCases,
  directories: directoryCases,
  attributes: attributeCases,
  ...(process.geteuid?.() === 0 ? { 'chown(2) as root': ownerCases } : {}),
  'extended attributes': xattrCases,
  'names and special files': nameCases,
  'memory maps and ranges': memoryCases,
  'holes and ranges': rangeCases,
  locks: lockCases,
}

/** Declares every case as a test in a directory of its own below the one that `where` answers. */
export function behavesLikePosix(where: () => string, topics: typeof posix = posix): void {
  let count = 0
  for (const [topic, cases] of Object.entries(topics)) {
    describe(topic, () => {
      for (const [name, check] of Object.entries(cases)) {
        it(name, async () => {
          const dir = join(where(), `case${++count}`)
          await mkdir(dir)
          await check(dir)
          await rm(dir, { recursive: true })
        })
      }
    })
  }
}
