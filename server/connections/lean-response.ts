import {
  type IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
  ServerResponse,
} from 'node:http'

type Fields = OutgoingHttpHeaders | OutgoingHttpHeader[]

/**
 * Node's answer, with fields that every answer has and that go out together with its own. Setting fields one by one makes
 * Node keep a table of them for each answer, which costs more than serving a token does: here that is done only for
 * answers that begin so. No answer names one of the common fields itself.
 */
export class LeanResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  // biome-ignore lint/suspicious/noExplicitAny: as Express has it
  readonly locals: Record<string, any> = {}
  /** Names and values by turns. */
  common: readonly string[] = []
  #isTabled = false

  override setHeader(name: string, value: number | string | readonly string[]): this {
    this.#isTabled = true
    return super.setHeader(name, value)
  }

  /** Puts the common fields into the table, for who works with that alone: Express. Not once they have gone out. */
  tableCommon(): void {
    if (this.headersSent) return
    for (let at = 0; at + 1 < this.common.length; at += 2) {
      this.setHeader(this.common[at] ?? '', this.common[at + 1] ?? '')
    }
    this.common = []
  }

  override writeHead(status: number, reason?: string | Fields, fields?: Fields): this {
    if (typeof reason === 'string') {
      this.tableCommon()
      return super.writeHead(status, reason, fields)
    }
    const one = reason ?? fields
    if (this.#isTabled) {
      this.tableCommon()
      return super.writeHead(status, one)
    }
    if (Array.isArray(one)) return super.writeHead(status, [...this.common, ...one])
    const all: OutgoingHttpHeader[] = [...this.common]
    for (const name in one) {
      const value = one[name]
      if (value !== undefined) all.push(name, value)
    }
    return super.writeHead(status, all)
  }
}
