import { readdir, readlink } from 'node:fs/promises'

/** What this process has open below a directory, removed files, too (man 5 proc_pid_fd). */
export async function openFiles(directory: string): Promise<string[]> {
  const numbers = await readdir('/proc/self/fd')
  const paths = await Promise.all(
    // The one that it was listed by is gone.
    numbers.map((number) => readlink(`/proc/self/fd/${number}`).catch(() => '')),
  )
  return paths.filter((path) => path.startsWith(`${directory}/`))
}
