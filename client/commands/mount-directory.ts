import { readlink, realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

const LINKS = 8

/** The directory as the kernel lists it, found without asking what is mounted there: that may be dead. */
export async function mountDirectory(path: string, workingDirectory: string): Promise<string> {
  let directory = resolve(workingDirectory, path)
  for (let links = 0; links < LINKS; links++) {
    directory = join(
      await realpath(dirname(directory)).catch(() => dirname(directory)),
      basename(directory),
    )
    const target = await readlink(directory).catch(() => undefined)
    if (target === undefined) break
    directory = resolve(dirname(directory), target)
  }
  return directory
}
