/** A process of its own that wants an access token of the account kept in the directory named first, at the server named second. */

import { httpClient } from '../../../client/http/api.js'
import { AccountDirectory } from '../../../client/login/account.js'
import { Session } from '../../../client/login/session.js'
import { fileTokens } from '../../../client/login/tokens.js'

const [, , config = '', server = ''] = process.argv
const directory = new AccountDirectory(config, new URL(server))
const account = await directory.load()
if (account === undefined) throw new Error('nobody is logged in')
const session = new Session({
  account,
  directory,
  store: fileTokens(directory),
  send: httpClient({ trust: account.trust }).send,
  clock: Date.now,
  notice: ({ kind }) => process.stdout.write(`notice ${kind}\n`),
})
const request = { method: 'GET', url: new URL(account.resource) }
const told = (outcome: string): void => void process.stdout.write(`outcome ${outcome}\n`)
process.stdout.write('asks\n')
await session.headers(request).then(
  ({ authorization }) => told(authorization ?? ''),
  (error: unknown) => told(String(error)),
)
process.exit()
