import { FileError } from '../errors.js'

/** Refusals that HTTP has a status of its own for, each with the errno name programs get beside it. */
const REFUSALS = {
  400: 'EINVAL',
  405: 'ENOTSUP',
  406: 'ENOTSUP',
  408: 'EIO',
  409: 'EBUSY',
  412: 'EINVAL',
  415: 'EINVAL',
  416: 'EINVAL',
  417: 'EINVAL',
  426: 'ENOTSUP',
  429: 'EBUSY',
  501: 'ENOTSUP',
} as const
export type RefusalStatus = keyof typeof REFUSALS

/** The request itself is refused; `fields` are header fields the answer must carry, such as Allow. */
export class Refusal extends FileError {
  readonly status: RefusalStatus
  readonly fields: Readonly<Record<string, string>>

  constructor(status: RefusalStatus, message: string, fields: Record<string, string> = {}) {
    super(REFUSALS[status], message)
    this.status = status
    this.fields = fields
  }
}
