import type { WireOperation } from '../../server/wire/operations.js'
import { ExchangeError } from '../http/exchange.js'
import type { Channels, Reply } from './channel.js'
import type { FileRequests } from './file-requests.js'
import type { RemoteFiles } from './remote-files.js'
import type { Turn } from './unawaited-first.js'
import { refused } from './wire-answer.js'
import { isCount, nonsense } from './wire-values.js'

/** What an operation over a channel comes to; `otherwise` where that breaks. */
export type Asked = <T>(
  operation: WireOperation,
  content: Buffer | undefined,
  answer: (reply: Reply) => T,
  otherwise: (files: RemoteFiles) => Promise<T>,
  turn?: Turn,
) => Promise<T>

/**
 * Asks over channels. When one breaks the operation goes on as a request: `first` if the server cannot have seen it, `again` (which
 * tells apart what was carried out) if it may have; in either case not before its turn.
 */
export function asking(
  channels: Pick<Channels, 'ask'>,
  requests: FileRequests,
  first: RemoteFiles,
  again: RemoteFiles,
): Asked {
  const anyTurn: Turn = {
    ask: (operation, content) => channels.ask(operation, content),
    before: undefined,
  }
  /** One step after the answer, and no more: it is taken for every operation. */
  return (operation, content, answer, otherwise, { ask, before } = anyTurn) => {
    const exchange = requests.begin()
    const onOtherWay = (files: RemoteFiles) =>
      before === undefined ? otherwise(files) : before.then(() => otherwise(files))
    return ask(operation, content).then(
      (reply) => {
        requests.reached(exchange)
        switch (reply.result.outcome) {
          case 'done':
            if (isCount(reply.result.others)) requests.heardOfOthers(reply.result.others)
            return answer(reply)
          case 'failed':
            throw refused(reply.result)
          case 'broken':
          case 'skipped':
            return onOtherWay(first)
          default:
            throw nonsense('it has no outcome that there is')
        }
      },
      (error) => {
        if (!(error instanceof ExchangeError)) throw error
        const isUnseen = error.kind === 'unreachable' || error.kind === 'untrusted'
        return onOtherWay(isUnseen ? first : again)
      },
    )
  }
}
