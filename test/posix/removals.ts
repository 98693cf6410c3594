import { mkdir, rename, rmdir } from 'node:fs/promises'

/** The ways in which an empty directory loses its name: it is removed, or another takes its place. */
export const REMOVALS: readonly ((path: string) => Promise<void>)[] = [
  (path) => rmdir(path),
  async (path) => {
    await mkdir(`${path} other`)
    await rename(`${path} other`, path)
  },
]
