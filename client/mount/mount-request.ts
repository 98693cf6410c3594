import { z } from 'zod'
import type { Logger } from './log.js'

/** Everything a mount's process needs to know, as the command hands it over. */
export const MOUNT_REQUEST = z.object({
  server: z.string(),
  directory: z.string(),
  remote: z.string(),
  readOnly: z.boolean(),
  noExec: z.boolean(),
  allowOther: z.boolean(),
  binding: z.enum(['kernel', 'fuse-native']),
  owner: z.object({ uid: z.number(), gid: z.number() }),
  umask: z.number().optional(),
  /** `local`: locks are for the programs of this mount alone. */
  locks: z.enum(['shared', 'local']),
  /** What is written is kept in a journal of this size first. */
  writeBack: z.object({ bytes: z.number() }).optional(),
  /** What is read is kept in this local directory too. */
  cache: z.object({ directory: z.string(), bytes: z.number() }).optional(),
  configDirectory: z.string(),
  stateDirectory: z.string(),
  ca: z.string().optional(),
  localAuthorities: z.array(z.string()),
  log: z.string().optional(),
  limitRate: z
    .object({ upload: z.number().optional(), download: z.number().optional() })
    .optional(),
  /** The mount ends with the command that started it. */
  foreground: z.boolean(),
})
export type MountRequest = z.infer<typeof MOUNT_REQUEST>

export interface MountProcess {
  readonly pid: number
  /** Whether there is a process with this number, in the namespace of this one; it may be anybody's. */
  readonly hasProcess: (pid: number) => boolean
  readonly clock: () => number
  readonly log: Logger
  /** Aborted by SIGINT and SIGTERM. */
  readonly stop: AbortSignal
  /** Something that whoever mounts must know, before the mount can be used. */
  warn(message: string): void
  /** The mount can be used. */
  ready(): void
}
