import type { Context } from '../context.js'
import type { Answer } from '../http/answer.js'
import type { Call } from '../http/call.js'
import type { Client } from '../types.js'

/** A request of the token endpoint by a client that is who it says. */
export interface GrantRequest {
  readonly call: Call
  readonly client: Client
  /** Thumbprint of the key it proved to hold (RFC 9449). */
  readonly jkt: string | undefined
}

/** Redeems one kind of authorization grant for tokens. */
export type GrantHandler = (context: Context, request: GrantRequest) => Promise<Answer>
