import type { IncomingMessage } from 'node:http'

/**
 * Has Node hand over as `upgrade` only what is one: by itself it does so with every request that has `Upgrade`, and from 26 on, where
 * that has content, in place of the connection with a stream that gives none of it.
 * Node.js 20, and 22 and 24 at first, do not know this yet, and hand over all of them.
 */
export function upgradesOnly(isUpgrade: (request: IncomingMessage) => boolean) {
  return { shouldUpgradeCallback: isUpgrade }
}
