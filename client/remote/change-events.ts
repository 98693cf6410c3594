import type { EventSourceMessage } from 'eventsource-parser'
import type { WireChange } from '../../server/wire/changes.js'
import type { WirePlace } from '../../server/wire/inodes.js'
import { ExchangeError } from '../http/exchange.js'
import type { RemoteNews } from './remote-files.js'
import { isName } from './wire-attributes.js'
import { isCount, isRecord } from './wire-values.js'

/** What the events of GET /changes say, parsed: whatever comes, nothing that is no change reaches what is believed. */

const ID = /^\d{1,16}$/

/** Where a stream that breaks off after this event is to go on. */
export function positionOf({ id }: EventSourceMessage): string | undefined {
  return id !== undefined && ID.test(id) ? id : undefined
}

/** @returns undefined for an event that nobody here knows. @throws ExchangeError for one that makes no sense */
export function newsOf({ event, data }: EventSourceMessage): RemoteNews | undefined {
  switch (event) {
    case 'ready':
      return { kind: 'connected' }
    case 'reset':
      return { kind: 'reset' }
    case 'change': {
      const change = changeOf(json(data))
      // What cannot be read may have changed anything.
      return change === undefined ? { kind: 'reset' } : { kind: 'change', change }
    }
    case 'told':
      return { kind: 'told', newest: newest(data) }
    case 'recall':
      return { kind: 'recall', ino: count(data, 'ino') }
    case 'lock': {
      const { request } = members(data)
      if (typeof request !== 'string') throw nonsense()
      return { kind: 'lock', request }
    }
    default:
      return undefined
  }
}

/** What `ready`, `reset` and `told` name. @throws ExchangeError */
export function newest(data: string): number {
  return count(data, 'newest')
}

/** Which run of the server `ready` names; one of an earlier version names none. */
export function runOf(data: string): string | undefined {
  const { run } = members(data)
  return typeof run === 'string' ? run : undefined
}

function changeOf(value: unknown): WireChange | undefined {
  if (!isRecord(value) || !isCount(value.seq) || !isCount(value.ino)) return undefined
  return IS_CHANGE.get(value.kind)?.(value) === true ? (value as unknown as WireChange) : undefined
}

/** What each kind has beside its number and its inode. */
const IS_CHANGE: ReadonlyMap<unknown, (change: Record<string, unknown>) => boolean> = new Map([
  ['make', isAtPlace],
  ['remove', isAtPlace],
  ['rename', isMove],
  ['content', () => true],
  ['attributes', () => true],
])

function isAtPlace({ place }: Record<string, unknown>): boolean {
  return isPlace(place)
}

function isMove({ from, to, replaced, exchanged }: Record<string, unknown>): boolean {
  return isPlace(from) && isPlace(to) && isCountOrNone(replaced) && isCountOrNone(exchanged)
}

function isPlace(value: unknown): value is WirePlace {
  return isRecord(value) && isCount(value.directory) && isName(value.name)
}

function isCountOrNone(value: unknown): boolean {
  return value === undefined || isCount(value)
}

function count(data: string, name: string): number {
  const value = members(data)[name]
  if (isCount(value)) return value
  throw nonsense()
}

function members(data: string): Record<string, unknown> {
  const event = json(data)
  if (isRecord(event)) return event
  throw nonsense()
}

function json(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch (cause) {
    throw nonsense(cause)
  }
}

function nonsense(cause?: unknown): ExchangeError {
  return new ExchangeError('lost', 'an event of the stream of changes makes no sense', { cause })
}
