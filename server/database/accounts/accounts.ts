import type { Database } from '../database.js'
import { withRoom } from '../full-disk.js'
import { Remembered } from '../remembered.js'

/** A person who may sign in. Times are milliseconds since the epoch. */
export interface User {
  /** The subject of tokens and owner of files: random, never given to anybody else. */
  readonly id: string
  readonly username: string
  readonly passwordHash: string
  readonly name: string | undefined
  readonly email: string | undefined
  /** Made by the server or an administrator: the person is asked to choose their own. */
  readonly temporaryPassword: boolean
  readonly disabledAt: number | undefined
  readonly createdAt: number
  /** Sessions and grants from before are dead. */
  readonly validFrom: number
}

interface Row {
  id: string
  username: string
  password_hash: string
  name: string | null
  email: string | null
  temporary_password: number
  disabled_at: number | null
  created_at: number
  valid_from: number
}

/** The users table. Each method is one statement. */
export interface UserTable {
  byId(id: string): User | undefined
  byUsername(username: string): User | undefined
  all(): User[]
  count(): number
  /** False when the user name is taken. */
  insert(user: User): boolean
  setPassword(id: string, hash: string, how: { temporary: boolean; validFrom: number }): void
  /** The same password, hashed anew: nothing else changes. */
  rehash(id: string, from: string, to: string): void
  /** False when nobody else may sign in. */
  disable(id: string, now: number): boolean
  enable(id: string, now: number): void
  setValidFrom(id: string, validFrom: number): void
  remove(id: string): boolean
}

const KNOWN_MAX = 1000

export function userTable(database: Database): UserTable {
  const byId = database.prepare<[string], Row>('SELECT * FROM users WHERE id = ?')
  const byUsername = database.prepare<[string], Row>('SELECT * FROM users WHERE username = ?')
  const all = database.prepare<[], Row>('SELECT * FROM users ORDER BY username')
  const count = database.prepare<[], number>('SELECT count(*) FROM users').pluck()
  const insert = database.prepare(
    `INSERT INTO users VALUES (@id, @username, @passwordHash, @name, @email, @temporaryPassword,
       @disabledAt, @createdAt, @validFrom) ON CONFLICT (username) DO NOTHING`,
  )
  const setPassword = database.prepare(
    'UPDATE users SET password_hash = ?, temporary_password = ?, valid_from = ? WHERE id = ?',
  )
  const rehash = database.prepare(
    'UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?',
  )
  const disable = database.prepare(
    `UPDATE users SET disabled_at = @now, valid_from = @now WHERE id = @id
     AND EXISTS (SELECT 1 FROM users WHERE id <> @id AND disabled_at IS NULL)`,
  )
  const enable = database.prepare(
    'UPDATE users SET disabled_at = NULL, valid_from = @now WHERE id = @id',
  )
  const setValidFrom = database.prepare('UPDATE users SET valid_from = ? WHERE id = ?')
  const remove = database.prepare('DELETE FROM users WHERE id = ?')
  const known = new Remembered<User | undefined>(database, 'access', KNOWN_MAX)
  const named = new Remembered<User | undefined>(database, 'access', KNOWN_MAX)
  const read = (id: string) => user(byId.get(id))
  const readNamed = (username: string) => user(byUsername.get(username))

  return {
    byId: (id) => known.get(id, read),
    byUsername: (username) => named.get(username, readNamed),
    all: () => all.all().flatMap((row) => user(row) ?? []),
    count: () => count.get() ?? 0,
    insert: (made) =>
      insert.run({
        ...made,
        name: made.name ?? null,
        email: made.email ?? null,
        disabledAt: made.disabledAt ?? null,
        temporaryPassword: Number(made.temporaryPassword),
      }).changes === 1,
    setPassword(id, hash, { temporary, validFrom }) {
      withRoom(database, () => setPassword.run(hash, Number(temporary), validFrom, id))
    },
    rehash(id, from, to) {
      rehash.run(to, id, from)
    },
    disable: (id, now) => disable.run({ id, now }).changes === 1,
    enable(id, now) {
      enable.run({ id, now })
    },
    setValidFrom(id, validFrom) {
      withRoom(database, () => setValidFrom.run(validFrom, id))
    },
    remove: (id) => remove.run(id).changes === 1,
  }
}

function user(row: Row | undefined): User | undefined {
  if (row === undefined) return undefined
  return {
    id: row.id,
    username: row.username,
    passwordHash: row.password_hash,
    name: row.name ?? undefined,
    email: row.email ?? undefined,
    temporaryPassword: row.temporary_password === 1,
    disabledAt: row.disabled_at ?? undefined,
    createdAt: row.created_at,
    validFrom: row.valid_from,
  }
}
