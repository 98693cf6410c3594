/** The header fields of the file API. A leaf module: it imports nothing. */

/**
 * Headers of our own. Requests may carry attributes for what they create; a client that holds caches names its
 * connection so that it can tell its own changes from others' in the stream of changes.
 */
export const HEADERS = {
  fileType: 'X-File-Type',
  /** All attributes of the answered inode, as compact JSON of WireAttributes. */
  attributes: 'Coffer-Attributes',
  /** Octal permission bits of what the request creates, such as 0644. */
  mode: 'Coffer-Mode',
  uid: 'Coffer-Uid',
  gid: 'Coffer-Gid',
  /** With PATCH of bytes: mode and owner only if they are as they were seen (`permissions` of the attributes). */
  permissions: 'Coffer-Permissions',
  mtime: 'Coffer-Mtime',
  atime: 'Coffer-Atime',
  /** With PATCH of bytes: the size the file has afterwards. */
  size: 'Coffer-Size',
  /** With PUT: the reserved inode number a new file gets. */
  ino: 'Coffer-Ino',
  /** The secret of a client's connection, 22 to 64 of [A-Za-z0-9_-]; changes carry its name (`connectionOf`) as `origin`. */
  connection: 'Coffer-Connection',
  /** Names a request, or a channel, among those of the connection, so that it can be given up. At most 64 of [A-Za-z0-9_-]. */
  attempt: 'Coffer-Attempt',
  /** Attempts that are not to be carried out any more, however late they come: up to ABANDONED_AT_ONCE names with commas between. */
  abandoned: 'Coffer-Abandoned',
  /** Names a change among those of the connection, so that after a lost answer it can be asked whether it was made. As `attempt`. */
  change: 'Coffer-Change',
  /** In the answer to what gives a name, to a connection that named itself: the newest change that it has not made. */
  others: 'Coffer-Others',
  /** `power` (the default: survives loss of power) or `process` (survives kill -9 of the server). */
  durability: 'Coffer-Durability',
  /** `T`: MOVE swaps source and destination (renameat2(2) RENAME_EXCHANGE). */
  exchange: 'Coffer-Exchange',
} as const

/** How many attempts one request gives up at most. */
export const ABANDONED_AT_ONCE = 32
