/** text/event-stream (HTML Living Standard section 9.2): `data` is one line of JSON, which has no line break in it. */
export const EVENT_STREAM = 'text/event-stream'

export function encodeEvent(event: string, id: number, data: unknown): string {
  return `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`
}

/** Keeps the connection alive; moves a reader's last event id on without an event. */
export function encodeHeartbeat(id: number): string {
  return `: still here\nid: ${id}\n\n`
}

export function encodeRetry(milliseconds: number): string {
  return `retry: ${milliseconds}\n\n`
}
