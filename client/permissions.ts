import type { WireAttributes } from '../server/wire/inodes.js'

/** Of these what somebody else has set meanwhile stays: a late change must not open what was closed since. */
const PERMISSIONS = ['mode', 'uid', 'gid'] as const
export type Permission = (typeof PERMISSIONS)[number]

type Changes = { readonly [name in Permission]?: number | undefined }

/** Those that are set. */
export function permissionsIn(changes: Changes): Permission[] {
  return PERMISSIONS.filter((name) => changes[name] !== undefined)
}

/** Of changes that were sent late: what stays as somebody else has set it. */
export function leftToOthers(changes: Changes, now: WireAttributes): Permission[] {
  return permissionsIn(changes).filter((name) => changes[name] !== now[name])
}
