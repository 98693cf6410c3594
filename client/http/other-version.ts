import { CHANNEL_PROTOCOL } from '../../server/wire/frames.js'
import { RemoteError } from '../remote-error.js'

/** coffer-channel = "coffer-channel/" 1*DIGIT, of what a server says that it knows (RFC 9110 section 7.8) */
const CHANNEL = /(?:^|,)[ \t]*coffer-channel\/(\d{1,9})[ \t]*(?:,|$)/i
const OURS = numberIn(CHANNEL_PROTOCOL) ?? 0

/** Client and server would misunderstand each other: nothing was sent, and trying again does not help. */
export class OtherVersion extends RemoteError {
  constructor(message: string) {
    super('EIO', message)
  }
}

/** @param upgrade what the server names instead of what it was asked for; undefined if that says nothing of its version */
export function otherVersion(host: string, upgrade: string | undefined): OtherVersion | undefined {
  const theirs = numberIn(upgrade)
  if (theirs === undefined || theirs === OURS) return undefined
  const told =
    theirs > OURS
      ? `the server ${host} is of a newer version of Coffer than this client: unmount, and mount with the client of that version`
      : `the server ${host} is of an older version of Coffer than this client: have the server upgraded, or mount with the client of its version`
  return new OtherVersion(
    `${told} (it speaks coffer-channel/${theirs}, the client ${CHANNEL_PROTOCOL})`,
  )
}

function numberIn(upgrade: string | undefined): number | undefined {
  const [, number] = CHANNEL.exec(upgrade ?? '') ?? []
  return number === undefined ? undefined : Number(number)
}
