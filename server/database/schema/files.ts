/**
 * The file side. No foreign keys: each create would pay for them; `fsck` proves what they would.
 *
 * - `trees`: one per user, with what it uses, what it may use, and the number of its newest change.
 * - `inodes`: `mode` as st_mode has it, type bits included. Times are split like struct timespec, so they are exact.
 *   `generation` names the content; `stored` says where it is: 0 nowhere (an empty file, or one that is all hole), 1 in a
 *   file under content/, 2 in `small_contents`; `allocated` counts the bytes that a file with holes takes on the disk.
 * - `entries`: names in order of their bytes (BINARY collation of UTF-8); the index answers where an inode is named.
 * - `kept`: inodes without a name that are still in use, or trees still being copied.
 * - `undo`: what a write in place is overwriting; what is left of it after a crash is put back. Without `data` and `spool`: a
 *   range that has become zeros, which are put there.
 * - `changes`: the log; `gone` is the inode that ceased to exist by it.
 * - `counters`, `reservations`: inode numbers and generations are given out once, ever.
 * - `holds`: a backup is under way: until then, contents older than the generation are neither removed nor overwritten.
 * - `uploads`: made in several requests, so they outlive the process. What has come is the length of the generation's file;
 *   `finished` is the inode it became.
 * - `lock_sessions`: connections that have locks; after a restart the server waits for them to claim these.
 * - `name_leases`: directories whose new names one connection gives.
 * - `lock_fences`: where a connection may not write that lost its locks and has not heard of it; 0 stands for inodes that nobody knows.
 */
export const filesSchema = `
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES ('ino', 1), ('generation', 1);

CREATE TABLE trees (
  id INTEGER PRIMARY KEY,
  owner TEXT NOT NULL UNIQUE,
  root INTEGER NOT NULL,
  bytes INTEGER NOT NULL DEFAULT 0,
  inodes INTEGER NOT NULL DEFAULT 0,
  max_bytes INTEGER,
  max_inodes INTEGER,
  seq INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE inodes (
  ino INTEGER PRIMARY KEY,
  tree INTEGER NOT NULL,
  mode INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  gid INTEGER NOT NULL,
  nlink INTEGER NOT NULL,
  size INTEGER NOT NULL,
  rdev INTEGER NOT NULL,
  atime_sec INTEGER NOT NULL,
  atime_nsec INTEGER NOT NULL,
  mtime_sec INTEGER NOT NULL,
  mtime_nsec INTEGER NOT NULL,
  ctime_sec INTEGER NOT NULL,
  ctime_nsec INTEGER NOT NULL,
  crtime_sec INTEGER NOT NULL,
  crtime_nsec INTEGER NOT NULL,
  version INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  stored INTEGER NOT NULL,
  allocated INTEGER,
  target TEXT
) STRICT;
CREATE UNIQUE INDEX inodes_by_generation ON inodes (generation) WHERE stored = 1;

CREATE TABLE entries (
  directory INTEGER NOT NULL,
  name TEXT NOT NULL,
  ino INTEGER NOT NULL,
  PRIMARY KEY (directory, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX entries_by_ino ON entries (ino);

CREATE TABLE xattrs (
  ino INTEGER NOT NULL,
  name TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (ino, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE small_contents (
  ino INTEGER PRIMARY KEY,
  data BLOB NOT NULL
) STRICT;

CREATE TABLE kept (
  ino INTEGER PRIMARY KEY,
  used INTEGER NOT NULL,
  building INTEGER NOT NULL
) STRICT;

CREATE TABLE undo (
  id INTEGER PRIMARY KEY,
  ino INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  position INTEGER NOT NULL,
  length INTEGER NOT NULL,
  data BLOB,
  spool INTEGER,
  spool_position INTEGER
) STRICT;
CREATE INDEX undo_by_ino ON undo (ino);

CREATE TABLE changes (
  tree INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  ino INTEGER NOT NULL,
  directory INTEGER,
  name TEXT,
  to_directory INTEGER,
  to_name TEXT,
  other INTEGER,
  gone INTEGER,
  origin TEXT,
  PRIMARY KEY (tree, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX changes_by_gone ON changes (gone) WHERE gone IS NOT NULL;

CREATE TABLE reservations (
  first INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  tree INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT;

CREATE TABLE holds (
  id INTEGER PRIMARY KEY,
  until INTEGER NOT NULL,
  generation INTEGER NOT NULL
) STRICT;

CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  tree INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  length INTEGER NOT NULL,
  details TEXT NOT NULL,
  replaces INTEGER,
  expires INTEGER NOT NULL,
  finished INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX uploads_by_generation ON uploads (generation) WHERE finished IS NULL;
CREATE INDEX uploads_by_expires ON uploads (expires);

CREATE TABLE lock_sessions (
  user TEXT NOT NULL,
  connection TEXT NOT NULL,
  PRIMARY KEY (user, connection)
) STRICT, WITHOUT ROWID;

CREATE TABLE name_leases (
  user TEXT NOT NULL,
  directory INTEGER NOT NULL,
  connection TEXT NOT NULL,
  PRIMARY KEY (user, directory)
) STRICT, WITHOUT ROWID;
`

/** Names of files beyond the first of each: the quota counts them, too. */
export const linksSchema = `
ALTER TABLE trees ADD COLUMN links INTEGER NOT NULL DEFAULT 0;
UPDATE trees SET links = (SELECT coalesce(sum(nlink - 1), 0) FROM inodes
  WHERE tree = trees.id AND nlink > 1 AND (mode & 61440) <> 16384);
`

/** What is kept without a name, and was made without one, may get one (open(2), `O_TMPFILE`). */
export const linkableSchema = `
ALTER TABLE kept ADD COLUMN linkable INTEGER NOT NULL DEFAULT 0;
`

/** By what name its client knows a change, so that it can ask, after a lost answer, whether it was made. */
export const namedChangesSchema = `
ALTER TABLE changes ADD COLUMN change TEXT;
CREATE INDEX changes_by_change ON changes (origin, change) WHERE change IS NOT NULL;
`

/** What a named change made of its inode: a client that asks later may find what others have made of it since. */
export const madeVersionsSchema = `
ALTER TABLE changes ADD COLUMN version INTEGER;
`

/**
 * What is new is asked for by the name of its change only after a lost answer, and soon: it is found among the newest changes, so that
 * making it costs no page of this index.
 */
export const unindexedMakesSchema = `
DROP INDEX changes_by_change;
CREATE INDEX changes_by_change ON changes (origin, change) WHERE change IS NOT NULL AND kind <> 'make';
`

/** What a client wrote under a lock that went to another one may come after a restart, too. */
export const lockFencesSchema = `
CREATE TABLE lock_fences (
  user TEXT NOT NULL,
  connection TEXT NOT NULL,
  ino INTEGER NOT NULL,
  at INTEGER NOT NULL DEFAULT (unixepoch()),
  PRIMARY KEY (user, connection, ino)
) STRICT, WITHOUT ROWID;
`

/** Counts how often mode or owner were set: who sets them late does not go over what others have set since, even to what it was. */
export const permissionsSchema = `
ALTER TABLE inodes ADD COLUMN permissions INTEGER NOT NULL DEFAULT 0;
`

/** Which backups were made, so that two data directories of one beginning do not mix theirs (server/database/backups.ts). */
export const backupsSchema = `
CREATE TABLE backups (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;
`

/** Data directories from before the first release have all tables but this one. */
export const nameLeasesSchema = `
CREATE TABLE IF NOT EXISTS name_leases (
  user TEXT NOT NULL,
  directory INTEGER NOT NULL,
  connection TEXT NOT NULL,
  PRIMARY KEY (user, directory)
) STRICT, WITHOUT ROWID;
`
