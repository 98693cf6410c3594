/** A step of what every request passes, on Node's own types: it runs with Express and without. */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Node's request and answer, with what Express adds and a step needs. */
export interface ServedRequest extends IncomingMessage {
  readonly originalUrl: string
  readonly ip?: string | undefined
}
export interface ServedResponse extends ServerResponse {
  // biome-ignore lint/suspicious/noExplicitAny: as Express has it
  locals: Record<string, any>
}
export type Middleware = (
  request: ServedRequest,
  response: ServedResponse,
  next: (error?: unknown) => void,
) => void
