import type { ServerResponse } from 'node:http'

/** JSON that is sent as it stands: what many answers have in common need not be spelled for each. */
export class JsonText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** Sent as JSON, or as JSON that was spelled before; absent for an empty answer. */
  readonly body?: unknown
}

export function setFields(response: ServerResponse, headers: Answer['headers'] = {}): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
}
