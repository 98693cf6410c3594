import type { Database } from './database.js'

/** Small facts about this data directory that outlive the process. */
export interface Settings {
  get(name: SettingName): string | undefined
  set(name: SettingName, value: string): void
}

/**
 * `identity`: tells whether a backup is of this data directory.
 * `secret_check`: tells whether a secret is the one of this data directory, and nothing about it.
 * `audit_anchor` and `audit_head`: where the audit log that is kept begins and ends.
 * `run`: in which run of the machine it is or was open, nothing once it was closed; `version_floor`: see server/storage/parts/power-loss.ts.
 */
export type SettingName =
  | 'issuer'
  | 'identity'
  | 'secret_check'
  | 'audit_anchor'
  | 'audit_head'
  | 'run'
  | 'version_floor'

export function settings(database: Database): Settings {
  const get = database
    .prepare<[string], string>('SELECT value FROM settings WHERE name = ?')
    .pluck()
  const set = database.prepare(
    'INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  )
  return {
    get: (name) => get.get(name),
    set(name, value) {
      set.run(name, value)
    },
  }
}
