import type { Journal } from './journal.js'

export interface WriteBackOptions {
  /** New changes go to the first; those of the others, of mounts that are gone, are sent. */
  readonly journals: readonly Journal[]
  /** The secret of the connection to the server: a mount that comes after this one asks by it what was made. */
  readonly connection: string
  /** False: what earlier mounts left is sent, and nothing new is kept. */
  readonly keepsNew: boolean
  readonly root: number
  readonly hostname: string
  readonly clock: () => number
  /** The server cannot be reached now. */
  readonly isAway: () => boolean
  log(message: string, error?: unknown): void
}
