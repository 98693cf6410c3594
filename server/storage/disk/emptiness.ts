import { readdirSync } from 'node:fs'

/** A disk that is for one thing alone has this at its root from the start. */
const OF_THE_FILE_SYSTEM = 'lost+found'

/** What is in a directory, apart from what its file system has put there. */
export function namesIn(directory: string): string[] {
  return readdirSync(directory).filter((name) => name !== OF_THE_FILE_SYSTEM)
}
