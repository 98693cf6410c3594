import type { Prepare } from './statements.js'

/** A row of `reservations`: numbers that are one tree's to give to new inodes. */
export interface ReservationRow {
  readonly first: number
  readonly last: number
  readonly tree: number
}

/** Statements of numbers that were given out, or set aside. */
export function reservationStatements(row: Prepare) {
  return {
    advance: row<[count: number, name: string], { value: number }>(
      'UPDATE counters SET value = value + ? WHERE name = ? RETURNING value',
    ),
    reservation: row<[ino: number], ReservationRow>(
      'SELECT * FROM reservations WHERE first <= ? ORDER BY first DESC LIMIT 1',
    ),
    insertReservation: row<[first: number, last: number, tree: number, at: number], never>(
      'INSERT INTO reservations VALUES (?, ?, ?, ?)',
    ),
    /** Takes a number that is the first of its range, and not the last. */
    claimFirst: row<[at: number, first: number, tree: number], never>(
      'UPDATE reservations SET first = first + 1, at = ? WHERE first = ? AND last > first AND tree = ?',
    ),
    deleteReservation: row<[first: number], never>('DELETE FROM reservations WHERE first = ?'),
    forgetReservations: row<[at: number, limit: number], never>(
      'DELETE FROM reservations WHERE first IN (SELECT first FROM reservations WHERE at < ? LIMIT ?)',
    ),
  }
}
