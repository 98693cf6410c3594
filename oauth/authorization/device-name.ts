import type { Parameters } from '../http/parameters.js'

const CHARACTERS_MAX = 64

/** Controls, invisible and turning characters, unassigned ones, and every kind of space. */
const UNPRINTABLE = /[\p{C}\p{Z}]+/gu

/**
 * What the device calls itself, for people: on the consent page and where they see what they granted. The parameter is
 * ours; other servers ignore it (RFC 6749 sections 3.1 and 3.2). Anybody can say anything here, so nothing depends on it.
 */
export function deviceName(parameters: Parameters): string | undefined {
  const said = parameters.optional('device_name')?.slice(0, 4 * CHARACTERS_MAX)
  const plain = said?.normalize('NFC').replace(UNPRINTABLE, ' ').trim() ?? ''
  const name = [...plain].slice(0, CHARACTERS_MAX).join('').trim()
  return name === '' ? undefined : name
}
