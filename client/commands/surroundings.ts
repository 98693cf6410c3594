import type { ClientConfig } from '../config.js'
import type { Terminal } from '../login/login.js'
import type { Program } from '../mount/background.js'

/** What a command sees of the process it runs in. Only main.ts makes one. */
export interface Surroundings {
  readonly config: ClientConfig
  readonly terminal: Terminal
  /** A line that is replaced by the next one, where there is a screen for it. */
  readonly progress: (line: string) => void
  readonly program: Program
  /** Tells a service manager that the foreground mount can be used. */
  readonly ready: () => void
  readonly workingDirectory: string
  /** What this machine is called. */
  readonly hostName: string
  readonly uid: number
  readonly gid: number
  readonly pid: number
  /** Where servers on this machine keep their own authority. */
  readonly localAuthorities: readonly string[]
  readonly clock: () => number
  /** Aborted by SIGINT and SIGTERM. */
  readonly stop: AbortSignal
}
