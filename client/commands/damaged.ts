import { messageOf } from '../error-of.js'
import {
  type DamagedSegment,
  damagedSegments,
  filesIn,
  removeSegment,
} from '../journal/damaged-segments.js'
import { printable } from '../printable.js'
import { shownSize } from '../shown-size.js'
import type { Surroundings } from './surroundings.js'

export interface DamagedFlags {
  readonly remove?: boolean
}

/** `damaged`: what the local disk has spoilt of what was to be sent. */
export async function damagedCommand(
  { remove }: DamagedFlags,
  { config, terminal }: Surroundings,
): Promise<void> {
  const segments = await damagedSegments(config.stateDirectory)
  if (segments.length === 0) terminal.say('No damaged journal is kept.')
  for (const segment of segments) {
    terminal.print(printable((await told(segment)).join('\n')))
    if (!remove) continue
    await removeSegment(segment)
    terminal.say(`${segment.path} is removed.`)
  }
}

async function told(segment: DamagedSegment): Promise<string[]> {
  const named = await names(segment)
  return [
    `${segment.path}: ${shownSize(segment.bytes)}, last written ${segment.written}`,
    ...(named.length === 0 ? ['  no name of a file can be read in it'] : named),
  ]
}

async function names(segment: DamagedSegment): Promise<string[]> {
  try {
    const files = await filesIn(segment)
    return files.map(
      ({ name, isLost }) => `  ${name}${isLost ? ': SOMETHING WRITTEN TO IT IS LOST' : ''}`,
    )
  } catch (error) {
    return [`  it cannot be read: ${messageOf(error)}`]
  }
}
