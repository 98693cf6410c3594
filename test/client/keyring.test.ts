import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { outcome, root } from '../support/process.js'

/** A real keyring service on a session bus of its own; the part under test runs beside it. */
const SCRIPT = `
import { AccountDirectory } from ${JSON.stringify(`${root}/client/account.ts`)}
import { chooseTokenStore, openTokenStore } from ${JSON.stringify(`${root}/client/tokens.ts`)}
const directory = new AccountDirectory(process.env.HOME, new URL('https://files.example.org'))
const said = []
const store = await chooseTokenStore('auto', directory, (message) => said.push(message))
const tokens = { access_token: 'secret-a', token_type: 'Bearer', scope: '', issuedAt: 1, expiresAt: 2 }
await store.save(tokens)
const again = await openTokenStore('keyring', directory)
const loaded = await again.load()
await again.forget()
console.log(JSON.stringify({ kind: store.kind, said, same: loaded?.access_token, after: (await again.load()) ?? null }))
process.exit(0)
`

describe('the token store in a keyring (libsecret through keytar)', () => {
  it('keeps, gives back and forgets tokens in a real keyring', async function () {
    this.timeout(30_000)
    const home = await temporaryDirectory('keyring')
    try {
      const { status, stdout, stderr } = await outcome(
        'dbus-run-session',
        [
          '--',
          'sh',
          '-c',
          'printf pass | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec "$@"',
          'sh',
          process.execPath,
          '--import',
          'tsx',
          '--input-type=module',
          '-e',
          SCRIPT,
        ],
        { cwd: root, env: { HOME: home, XDG_DATA_HOME: `${home}/data`, XDG_RUNTIME_DIR: home } },
      )
      if (status === 'ENOENT' || /not found/.test(stderr)) this.skip()
      expect(stdout, stderr).to.not.equal('')
      expect(JSON.parse(stdout)).to.deep.equal({
        kind: 'keyring',
        said: [],
        same: 'secret-a',
        after: null,
      })
    } finally {
      await removeDirectory(home)
    }
  })
})
