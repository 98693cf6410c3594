import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { outcome, root } from '../support/process.js'
import { requires } from '../support/requires.js'

/** A real keyring service on a session bus of its own; the part under test runs beside it, as one process. */
const SCRIPT = `
import { execFileSync } from 'node:child_process'
import { AccountDirectory } from ${JSON.stringify(`${root}/client/account.ts`)}
import { chooseTokenStore, openTokenStore } from ${JSON.stringify(`${root}/client/tokens.ts`)}
const directory = new AccountDirectory(process.env.HOME, new URL('https://files.example.org'))
const unlocked = 'printf pass | gnome-keyring-daemon --unlock --components=secrets'
const start = () => execFileSync('sh', ['-c', unlocked], { stdio: 'ignore' })
const daemon = () => execFileSync('dbus-send', ['--session', '--print-reply=literal', '--dest=org.freedesktop.DBus',
  '/', 'org.freedesktop.DBus.GetConnectionUnixProcessID', 'string:org.freedesktop.secrets']).toString().trim().split(' ').at(-1)
/** Resolves once the bus knows of none. */
const ended = async (pid) => {
  process.kill(pid, 'SIGKILL')
  for (;;) {
    try { execFileSync('dbus-send', ['--session', '--print-reply', '--dest=org.freedesktop.DBus', '/',
      'org.freedesktop.DBus.GetNameOwner', 'string:org.freedesktop.secrets'], { stdio: 'ignore' }) } catch { return }
  }
}
start()
const said = []
const store = await chooseTokenStore('auto', directory, (message) => said.push(message))
const tokens = { access_token: 'secret-a', token_type: 'Bearer', scope: '', issuedAt: 1, expiresAt: 2 }
await store.save(tokens)
const again = openTokenStore('keyring', directory)
const same = (await again.load())?.access_token
await ended(Number(daemon()))
start()
const restarted = (await again.load())?.access_token
await ended(Number(daemon()))
execFileSync('sh', ['-c', 'gnome-keyring-daemon --start --components=secrets'], { stdio: 'ignore' })
const locked = await again.load().then(() => 'there', (error) => error.message)
await ended(Number(daemon()))
start()
await again.forget()
console.log(JSON.stringify({ kind: store.kind, said, same, restarted, locked, after: (await again.load()) ?? null }))
process.kill(Number(daemon()))
process.exit(0)
`

describe('the token store in a keyring (libsecret through keytar)', () => {
  it('keeps, gives back and forgets tokens in a real keyring, also in one started anew', async function () {
    requires(this, 'keyring')
    this.timeout(60_000)
    const home = await temporaryDirectory('keyring')
    try {
      const script = join(home, 'script.mts')
      await writeFile(script, SCRIPT)
      const { stdout, stderr } = await outcome(
        'dbus-run-session',
        ['--', process.execPath, '--import', 'tsx', script],
        { cwd: root, env: { HOME: home, XDG_DATA_HOME: `${home}/data`, XDG_RUNTIME_DIR: home } },
      )
      expect(stdout, stderr).to.not.equal('')
      const { locked, ...others } = JSON.parse(stdout)
      expect(locked).to.include('unlock it')
      expect(others).to.deep.equal({
        kind: 'keyring',
        said: [],
        same: 'secret-a',
        restarted: 'secret-a',
        after: null,
      })
    } finally {
      await removeDirectory(home)
    }
  })
})
