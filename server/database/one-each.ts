import type { Database } from './database.js'

/** What there is one of for each connection, made when it is first asked for. */
export function oneEach<T>(make: (database: Database) => T): (database: Database) => T {
  const made = new WeakMap<Database, T>()
  return (database) => {
    const known = made.get(database)
    if (known !== undefined) return known
    const one = make(database)
    made.set(database, one)
    return one
  }
}
