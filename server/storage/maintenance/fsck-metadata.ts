import type { Database } from '../../database/database.js'
import type { InodeRow } from '../../database/files/inode-rows.js'
import type { TreeRow } from '../../database/files/trees.js'
import { make } from '../names/names.js'
import type { Engine } from '../parts/engine.js'
import { fileName } from '../path.js'

/** A row that should not be, or is wrong; `text` says so. */
interface Wrong {
  readonly text: string
  readonly ino: number
  readonly directory: number
  readonly name: string
  readonly tree: number
  readonly value: number
}

interface Check {
  /** Rows that are wrong: any columns of Wrong. */
  readonly sql: string
  /** Puts one right; without it, only the owner can. */
  readonly repair?: (engine: () => Engine, database: Database, wrong: Wrong) => void
}

const DIRECTORY = '(i.mode & 61440) = 16384'
const NAMED = `'"' || e.name || '" in directory ' || e.directory`

/** Directories that a walk from the roots, or from what is kept without a name, comes to. */
const REACHABLE = `WITH RECURSIVE reachable (ino) AS (
  SELECT root FROM trees UNION SELECT ino FROM kept UNION
  SELECT i.ino FROM reachable r JOIN entries e ON e.directory = r.ino JOIN inodes i ON i.ino = e.ino
  WHERE ${DIRECTORY})`

const LINKS = `CASE WHEN NOT ${DIRECTORY} THEN (SELECT count(*) FROM entries e WHERE e.ino = i.ino)
  WHEN EXISTS (SELECT 1 FROM kept k WHERE k.ino = i.ino) THEN 0
  ELSE 2 + (SELECT count(*) FROM entries e JOIN inodes c ON c.ino = e.ino
            WHERE e.directory = i.ino AND (c.mode & 61440) = 16384) END`

const HARD_LINKS = `(SELECT coalesce(sum(i.nlink - 1), 0) FROM inodes i
  WHERE i.tree = t.id AND i.nlink > 1 AND NOT ${DIRECTORY})`

/** What must hold between the rows, in the order in which it can be repaired: numbers, names, counts. */
export const METADATA_CHECKS = {
  'counter behind': {
    sql: `SELECT 'the counter "' || c.name || '" is behind' AS text, c.name, m.value FROM counters c JOIN (
          SELECT 'ino' AS name, coalesce(max(ino), 0) + 1 AS value FROM inodes UNION ALL
          SELECT 'generation', coalesce(max(generation), 0) + 1 FROM inodes) m ON m.name = c.name WHERE c.value < m.value`,
    repair: (_engine, database, { name, value }) => {
      database.prepare('UPDATE counters SET value = ? WHERE name = ?').run(value, name)
    },
  },
  'tree without root': {
    sql: `SELECT 'the root of ' || t.owner || ' is missing' AS text, t.id AS tree FROM trees t
          LEFT JOIN inodes i ON i.ino = t.root AND i.tree = t.id AND ${DIRECTORY} WHERE i.ino IS NULL`,
  },
  'inode without tree': {
    sql: `SELECT 'inode ' || i.ino || ' belongs to nobody' AS text, i.ino FROM inodes i
          LEFT JOIN trees t ON t.id = i.tree WHERE t.id IS NULL`,
  },
  'impossible inode': {
    sql: `SELECT 'inode ' || ino || ' has impossible attributes' AS text, ino FROM inodes
          WHERE (mode & 61440) NOT IN (32768, 16384, 40960, 4096, 49152, 8192, 24576) OR size < 0 OR version < 1
          OR nlink < 0 OR (stored <> 0 AND (mode & 61440) <> 32768)`,
  },
  'entry without inode': {
    sql: `SELECT ${NAMED} || ' names nothing' AS text, e.directory, e.name FROM entries e
          LEFT JOIN inodes i ON i.ino = e.ino WHERE i.ino IS NULL`,
    repair: deleteEntry,
  },
  'entry without directory': {
    sql: `SELECT ${NAMED} || ' lies in what is no directory' AS text, e.directory, e.name FROM entries e
          LEFT JOIN inodes i ON i.ino = e.directory AND ${DIRECTORY} WHERE i.ino IS NULL`,
    repair: deleteEntry,
  },
  'entry across trees': {
    sql: `SELECT ${NAMED} || ' names the inode of another user' AS text, e.directory, e.name FROM entries e
          JOIN inodes i ON i.ino = e.ino JOIN inodes d ON d.ino = e.directory WHERE i.tree <> d.tree`,
    repair: deleteEntry,
  },
  'name of a root': {
    sql: `SELECT ${NAMED} || ' names a root' AS text, e.directory, e.name FROM trees t
          JOIN entries e ON e.ino = t.root`,
    repair: deleteEntry,
  },
  'second name of a directory': {
    sql: `SELECT ${NAMED} || ' is a second name of a directory' AS text, e.directory, e.name FROM entries e
          JOIN inodes i ON i.ino = e.ino WHERE ${DIRECTORY} AND EXISTS (SELECT 1 FROM entries f
          WHERE f.ino = e.ino AND (f.directory, f.name) < (e.directory, e.name))`,
    repair: deleteEntry,
  },
  'kept in vain': {
    sql: `SELECT 'inode ' || k.ino || ' is kept although it is gone or has a name' AS text, k.ino FROM kept k
          LEFT JOIN inodes i ON i.ino = k.ino WHERE i.ino IS NULL OR EXISTS (SELECT 1 FROM entries e WHERE e.ino = k.ino)`,
    repair: (engine, _database, { ino }) => {
      engine().sql.unkeep.run(ino)
    },
  },
  'lost directory': {
    sql: `${REACHABLE} SELECT 'directory ' || i.ino || ' cannot be reached' AS text, i.ino, i.tree FROM inodes i
          WHERE ${DIRECTORY} AND NOT EXISTS (SELECT 1 FROM reachable r WHERE r.ino = i.ino)
          ORDER BY EXISTS (SELECT 1 FROM entries e WHERE e.ino = i.ino), i.ino LIMIT 1`,
    repair: (engine, database, wrong) => {
      database.prepare('DELETE FROM entries WHERE ino = ?').run(wrong.ino)
      find(engine(), wrong)
    },
  },
  'lost inode': {
    sql: `SELECT 'inode ' || i.ino || ' has no name' AS text, i.ino, i.tree FROM inodes i
          WHERE NOT ${DIRECTORY} AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.ino = i.ino)
          AND NOT EXISTS (SELECT 1 FROM kept k WHERE k.ino = i.ino)`,
    repair: (engine, _database, wrong) => find(engine(), wrong),
  },
  'attribute without inode': {
    sql: `SELECT 'the attribute ' || x.name || ' belongs to no inode' AS text, x.ino, x.name FROM xattrs x
          LEFT JOIN inodes i ON i.ino = x.ino WHERE i.ino IS NULL`,
    repair: (engine, _database, { ino, name }) => {
      engine().sql.removeXattr.run(ino, name)
    },
  },
  'small content wrong': {
    sql: `SELECT 'inode ' || i.ino || ' of ' || i.size || ' bytes has ' || coalesce(length(s.data), 'no') || ' in the database'
          AS text, i.ino, coalesce(length(s.data), 0) AS value FROM inodes i
          LEFT JOIN small_contents s ON s.ino = i.ino
          WHERE i.stored = 2 AND (s.data IS NULL OR length(s.data) <> i.size)`,
    repair: (engine, database, { ino, value }) => {
      const row = engine().sql.inode.get(ino)
      if (row?.stored === 2) engine().sql.setSmallContent.run(ino, smallOr(engine(), row))
      database
        .prepare('UPDATE inodes SET size = ?, version = max(version + 1, ?) WHERE ino = ?')
        .run(value, engine().versions.floor, ino)
    },
  },
  'small content without inode': {
    sql: `SELECT 'a content in the database belongs to no inode' AS text, s.ino FROM small_contents s
          LEFT JOIN inodes i ON i.ino = s.ino AND i.stored = 2 WHERE i.ino IS NULL`,
    repair: (engine, _database, { ino }) => {
      engine().sql.deleteSmallContent.run(ino)
    },
  },
  'wrong link count': {
    sql: `SELECT 'inode ' || i.ino || ' has nlink ' || i.nlink AS text, i.ino, ${LINKS} AS value FROM inodes i
          WHERE i.nlink <> ${LINKS} AND NOT EXISTS (SELECT 1 FROM kept k WHERE k.ino = i.ino AND k.building = 1)`,
    repair: (_engine, database, { ino, value }) => {
      database.prepare('UPDATE inodes SET nlink = ? WHERE ino = ?').run(value, ino)
    },
  },
  'wrong usage': {
    sql: `SELECT 'the use of ' || owner || ' is counted wrong' AS text, id AS tree FROM (SELECT t.*,
          (SELECT count(*) FROM inodes i WHERE i.tree = t.id) AS really,
          (SELECT coalesce(sum(i.size), 0) FROM inodes i WHERE i.tree = t.id AND (i.mode & 61440) = 32768)
          + (SELECT coalesce(sum(length(x.value)), 0) FROM xattrs x JOIN inodes i ON i.ino = x.ino WHERE i.tree = t.id)
          AS content, ${HARD_LINKS} AS names FROM trees t) WHERE inodes <> really OR bytes <> content OR links <> names`,
    repair: (_engine, database, { tree }) => {
      database
        .prepare(
          `UPDATE trees SET inodes = (SELECT count(*) FROM inodes i WHERE i.tree = trees.id),
           bytes = (SELECT coalesce(sum(i.size), 0) FROM inodes i WHERE i.tree = trees.id AND (i.mode & 61440) = 32768)
           + (SELECT coalesce(sum(length(x.value)), 0) FROM xattrs x JOIN inodes i ON i.ino = x.ino
              WHERE i.tree = trees.id),
           links = (SELECT ${HARD_LINKS} FROM trees t WHERE t.id = trees.id) WHERE id = ?`,
        )
        .run(tree)
    },
  },
} as const satisfies Record<string, Check>

export type MetadataProblem = keyof typeof METADATA_CHECKS

function smallOr(engine: Engine, row: InodeRow): Buffer {
  return engine.sql.smallContent.get(row.ino)?.data ?? Buffer.alloc(0)
}

function deleteEntry(engine: () => Engine, _database: Database, wrong: Wrong): void {
  const { directory, name } = wrong
  engine().sql.deleteEntry.run(directory, name)
}

/** Gives something without a name one in lost+found; link counts are put right afterwards. */
function find(engine: Engine, { ino, tree }: Wrong): void {
  const row = engine.sql.treeById.get(tree)
  if (row === undefined) return
  engine.sql.insertEntry.run(lostAndFound(engine, row), `#${ino}`, ino)
}

function lostAndFound(engine: Engine, tree: TreeRow): number {
  const name = fileName('lost+found')
  const found = engine.sql.entry.get(tree.root, name)
  if (found !== undefined) return found.ino
  const place = { directory: tree.root, name }
  return make(engine, tree, place, { type: 'directory' }, { mode: 0o700, uid: 0, gid: 0 }, {}).ino
}

/** The wrong rows of one check, at most so many. */
export function wrongRows(database: Database, check: Check, limit: number): Wrong[] {
  return database.prepare<[number], Wrong>(`SELECT * FROM (${check.sql}) LIMIT ?`).all(limit)
}
