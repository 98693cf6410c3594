import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Database } from '../database.js'
import { unlessFull, withRoom } from '../full-disk.js'
import { settings } from '../settings.js'

/** What happened, to whom, by which client, from where. Nothing secret goes in here. */
export interface AuditRecord {
  readonly event: string
  readonly outcome: 'success' | 'failure'
  readonly subject?: string | undefined
  readonly client_id?: string | undefined
  readonly address?: string | undefined
  readonly detail?: string | undefined
}

export interface AuditEntry extends AuditRecord {
  readonly number: number
  readonly at: number
}

export interface AuditQuery {
  readonly subject?: string | undefined
  readonly event?: string | undefined
  readonly since?: number | undefined
  /** The newest so many, oldest first. */
  readonly limit: number
}

export type Verification =
  | { readonly kind: 'whole'; readonly entries: number }
  /** The first entry that is not as it was written, or whose predecessor is missing. */
  | { readonly kind: 'broken'; readonly number: number }
  /** What the log says of its own beginning or end is not so: entries were cut off. */
  | { readonly kind: 'cut'; readonly end: 'beginning' | 'end' }

/**
 * The audit log: append only. Every entry's hash covers the entry and the hash before it, under a key that is not in the
 * database, so that who can change the database cannot change history unseen.
 */
export interface AuditLog {
  /** Takes the log as it is: in a new data directory, and under a new key. Otherwise nothing mends what was cut off. */
  begin(): void
  append(record: AuditRecord): void
  query(query: AuditQuery): AuditEntry[]
  verify(): Verification
  /** Removes at most `limit` entries from before; the chain goes on from the last one removed. */
  prune(before: number, limit: number): number
}

interface Row {
  number: number
  at: number
  event: string
  outcome: 'success' | 'failure'
  subject: string | null
  client_id: string | null
  address: string | null
  detail: string
  hash: Buffer
}

type Link = Pick<Row, 'number' | 'hash'>

const NOTHING: Link = { number: 0, hash: Buffer.alloc(32) }
const DETAIL_MAX = 1000
const PAGE = 1000

export function auditLog(database: Database, key: Buffer, clock: () => Date): AuditLog {
  const facts = settings(database)
  const last = database.prepare<[], Link>(
    'SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1',
  )
  const insert = database.prepare(
    'INSERT INTO audit VALUES (@number, @at, @event, @outcome, @subject, @client_id, @address, @detail, @hash)',
  )
  const page = database.prepare<[number], Row>(
    `SELECT * FROM audit WHERE number > ? ORDER BY number LIMIT ${PAGE}`,
  )
  const oldest = database.prepare<[number, number], Row>(
    'SELECT * FROM audit WHERE at < ? ORDER BY number LIMIT ?',
  )
  const removeUpTo = database.prepare('DELETE FROM audit WHERE number <= ?')
  const matching = database.prepare<unknown[], Row>(
    `SELECT * FROM (
       SELECT * FROM audit
       WHERE (@subject IS NULL OR subject = @subject) AND (@event IS NULL OR event = @event) AND at >= @since
       ORDER BY number DESC LIMIT @limit
     ) ORDER BY number`,
  )

  /** Where the chain begins, or ends: "number hash seal". Without the key nobody can say so of another entry. */
  const note = (name: 'audit_anchor' | 'audit_head', { number, hash }: Link): void => {
    const fact = `${number} ${hash.toString('base64url')}`
    facts.set(name, `${fact} ${sealed(key, name, fact)}`)
  }
  const noted = (name: 'audit_anchor' | 'audit_head'): Link | 'forged' => {
    const value = facts.get(name)
    if (value === undefined) return name === 'audit_anchor' ? NOTHING : 'forged'
    const [number = '', hash = '', seal] = value.split(' ')
    if (seal !== sealed(key, name, `${number} ${hash}`)) return 'forged'
    return { number: Number(number), hash: Buffer.from(hash, 'base64url') }
  }

  const append = database.transaction((record: AuditRecord) => {
    // On from where the log says that it ends, not from what is left of it: what was cut off stays a gap.
    const present = last.get() ?? NOTHING
    const head = noted('audit_head')
    const isKept = head !== 'forged' && head.number >= present.number
    const before = isKept ? head : present
    const row = {
      number: before.number + 1,
      at: clock().getTime(),
      event: record.event,
      outcome: record.outcome,
      subject: record.subject ?? null,
      client_id: record.client_id ?? null,
      address: record.address ?? null,
      detail: (record.detail ?? '').slice(0, DETAIL_MAX),
    }
    const hash = chained(key, before.hash, row)
    insert.run({ ...row, hash })
    if (isKept) note('audit_head', { number: row.number, hash })
  })

  const begin = database.transaction(() => note('audit_head', last.get() ?? NOTHING))

  const prune = database.transaction((before: number, limit: number) => {
    const rows = oldest.all(before, limit)
    const end = rows.at(-1)
    if (end === undefined) return 0
    note('audit_anchor', end)
    return removeUpTo.run(end.number).changes
  })

  /** As it is at one moment: the server goes on writing meanwhile, and removes what is old. */
  const verify = database.transaction((): Verification => {
    const anchor = noted('audit_anchor')
    if (anchor === 'forged') return { kind: 'cut', end: 'beginning' }
    let before = anchor
    let entries = 0
    for (;;) {
      const rows = page.all(before.number)
      if (rows.length === 0) {
        const head = noted('audit_head')
        const reached = head !== 'forged' && head.number === before.number
        return reached ? { kind: 'whole', entries } : { kind: 'cut', end: 'end' }
      }
      for (const row of rows) {
        const right = chained(key, before.hash, row)
        if (row.number !== before.number + 1 || !timingSafeEqual(right, row.hash)) {
          return { kind: 'broken', number: row.number }
        }
        before = row
        entries++
      }
    }
  })

  return {
    begin: () => begin.immediate(),
    append(record) {
      const write = () => append.immediate(record)
      // Anybody can fail, who then uses up no room that is kept for others; a full disk has no record of it.
      if (record.outcome === 'failure') unlessFull(write)
      else withRoom(database, write)
    },
    query: ({ subject, event, since, limit }) =>
      matching
        .all({ subject: subject ?? null, event: event ?? null, since: since ?? 0, limit })
        .map(entry),
    verify: () => verify(),
    prune: (before, limit) => prune.immediate(before, limit),
  }
}

function sealed(key: Buffer, name: string, fact: string): string {
  return createHmac('sha256', key).update(`${name} ${fact}`).digest('base64url')
}

function chained(key: Buffer, before: Buffer, row: Omit<Row, 'hash'>): Buffer {
  const { number, at, event, outcome, subject, client_id, address, detail } = row
  return createHmac('sha256', key)
    .update(before)
    .update(JSON.stringify([number, at, event, outcome, subject, client_id, address, detail]))
    .digest()
}

function entry(row: Row): AuditEntry {
  return {
    number: row.number,
    at: row.at,
    event: row.event,
    outcome: row.outcome,
    ...(row.subject === null ? {} : { subject: row.subject }),
    ...(row.client_id === null ? {} : { client_id: row.client_id }),
    ...(row.address === null ? {} : { address: row.address }),
    ...(row.detail === '' ? {} : { detail: row.detail }),
  }
}
