/**
 * What a server must have before the suite can test it.
 *
 *   node --import tsx test/conformance/prepare.ts            says it, for any server
 *   node --import tsx test/conformance/prepare.ts DIRECTORY  gives it to the Coffer server of COFFER_DATA, which may be
 *                                                            running, and writes what the suite must be told there
 */
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { accounts } from '../../server/accounts/accounts.js'
import { passwords } from '../../server/accounts/passwords.js'
import { databaseFile } from '../../server/data-directory.js'
import { userTable } from '../../server/database/accounts/accounts.js'
import { openDatabase } from '../../server/database/database.js'
import { oauthStore } from '../../server/database/oauth/store.js'
import { RESOURCE_SCOPES } from '../../server/scopes.js'
import { CLIENTS } from './support/clients.js'
import { registerAll, written } from './support/prepared.js'

const NEEDS = `A server that "make conformance URL=https://host" can test has these clients (metadata of RFC 7591; those with
private_key_jwt have an ES256 key with the kid "conformance" in their jwks):

${Object.entries(CLIENTS)
  .map(([name, metadata]) => `"${name}": ${JSON.stringify(metadata, undefined, 2)}`)
  .join('\n')}

and somebody who can log in. The suite is told by variables:

COFFER_CONFORMANCE_CLIENTS   a JSON file: {"${Object.keys(CLIENTS)[0]}": {"client_id": "…"}, "web": {"client_id": "…", "client_secret": "…"},
                             "keyed": {"client_id": "…", "key": "a PEM of PKCS #8"}, …}
COFFER_CONFORMANCE_USER      who can log in
COFFER_CONFORMANCE_PASSWORD
COFFER_CONFORMANCE_CA        a PEM file, unless the system trusts the server
COFFER_CONFORMANCE_RESOURCE  a URL that answers 200 to a token with file.read; default URL/files/

Raise its limits against guessing; for a Coffer server: COFFER_TOKEN_FAILURES, COFFER_LOGIN_FAILURES and
COFFER_UNFINISHED_REQUESTS. "make conformance PREPARE=directory" gives all this but the limits to the Coffer server whose data
are in COFFER_DATA.
`

/** Single quotes, for a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

async function prepare(directory: string, data: string): Promise<void> {
  const database = openDatabase(databaseFile(data))
  const store = oauthStore(database)
  const clock = () => new Date()
  const people = accounts(userTable(database), passwords(), clock)
  const clients = await registerAll({ store, accounts: people, scopes: RESOURCE_SCOPES, clock })
  const user = `conformance-${randomBytes(4).toString('hex')}`
  const password = randomBytes(16).toString('base64url')
  await people.add({
    username: user as never,
    password: password as never,
    temporaryPassword: false,
  })
  database.close()
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const file = join(directory, 'clients.json')
  await writeFile(file, await written(clients), { mode: 0o600 })
  const variables = {
    CLIENTS: file,
    USER: user,
    PASSWORD: password,
    CA: join(data, 'tls', 'ca.pem'),
  }
  const text = Object.entries(variables)
    .map(([name, value]) => `export COFFER_CONFORMANCE_${name}=${quoted(value)}\n`)
    .join('')
  await writeFile(join(directory, 'variables'), text, { mode: 0o600 })
  process.stdout.write(
    `Registered ${Object.keys(clients).length} clients, and the user ${user}. Now:\n\n  . ${join(directory, 'variables')} && make conformance URL=https://host\n`,
  )
}

const [, , directory] = process.argv
const { COFFER_DATA: data } = process.env
if (directory === undefined) {
  process.stdout.write(NEEDS)
  process.stderr.write(
    '\nNothing was tested: say which server, make conformance URL=https://host\n',
  )
  process.exitCode = 2
} else if (data === undefined || data === '') {
  process.stderr.write('COFFER_DATA must name the data directory of a Coffer server\n')
  process.exitCode = 2
} else {
  await prepare(resolve(directory), resolve(data))
}
