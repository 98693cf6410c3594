import type { WireAttributeChanges, WireTime } from '../../server/wire/inodes.js'

/** This machine's clock, until the server's answer says better. */
export function localTime(): WireTime {
  return `${Date.now()}000000`
}

export function isTime(time: WireTime | 'now' | undefined): time is WireTime {
  return time !== undefined && time !== 'now'
}

/** Attributes that travel with bytes, or nothing. Writing itself sets mtime to now. */
export function withBytes(changes: WireAttributeChanges): { attributes?: WireAttributeChanges } {
  const { mtime, atime, ...rest } = changes
  const attributes: WireAttributeChanges = {
    ...rest,
    ...(isTime(mtime) ? { mtime } : {}),
    ...(atime === undefined ? {} : { atime: isTime(atime) ? atime : localTime() }),
  }
  return Object.keys(attributes).length > 0 ? { attributes } : {}
}
