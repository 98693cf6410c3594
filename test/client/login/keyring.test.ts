import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { outcome, root } from '../../support/process.js'
import { program } from '../../support/program.js'
import { requires } from '../../support/requires.js'
import { until } from '../../support/until.js'

/** A real keyring service on a session bus of its own; the part under test runs beside it, as one process. */
const SCRIPT = `
import { execFileSync, spawn } from 'node:child_process'
import { AccountDirectory } from ${JSON.stringify(`${root}/client/login/account.ts`)}
import { chooseTokenStore, openTokenStore } from ${JSON.stringify(`${root}/client/login/tokens.ts`)}
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
const monitor = spawn('dbus-monitor', ['--session', "type='method_call'"], { stdio: ['ignore', 'pipe', 'ignore'] })
let heard = ''
monitor.stdout.on('data', (data) => { heard += data })
/** How often somebody was asked for the password until now, of which the monitor hears in order. */
const prompts = async () => {
  const now = 'now-' + heard.length
  while (!heard.includes(now)) {
    execFileSync('dbus-send', ['--session', '--print-reply', '--dest=org.freedesktop.DBus', '/',
      'org.freedesktop.DBus.NameHasOwner', 'string:' + now], { stdio: 'ignore' })
    await new Promise(setImmediate)
  }
  return heard.match(/interface=org.freedesktop.Secret.Prompt; member=Prompt$/gm)?.length ?? 0
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
const before = await prompts()
const message = (error) => error.message
const locked = [await again.load().then(() => 'there', message)]
const asked = (await prompts()) - before
locked.push(await again.load(false).then(() => 'there', message))
const server = 'https://files.example.org'
await directory.save({ server, issuer: server, client_id: 'coffer', resource: server, scope: '', token_endpoint: server,
  trust: { kind: 'system' }, store: 'keyring' })
const status = [...${JSON.stringify(program('client'))}, 'status']
locked.push(execFileSync(process.execPath, status, { env: { ...process.env, COFFER_CONFIG_DIR: process.env.HOME } }).toString())
const askedAgain = (await prompts()) - before - asked
await ended(Number(daemon()))
start()
const found = (await again.load(false))?.access_token
await again.forget()
console.log(JSON.stringify({ kind: store.kind, said, same, restarted, locked, asked, askedAgain, found, after: (await again.load()) ?? null }))
process.kill(Number(daemon()))
monitor.kill()
process.exit(0)
`

describe('the token store in a keyring (libsecret through keytar)', () => {
  it('keeps, gives back and forgets tokens in a real keyring, and asks for its password only if it may', async function () {
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
      for (const message of locked) expect(message).to.include('it is locked); unlock it')
      expect(locked).to.have.length(3)
      expect(others).to.deep.equal({
        kind: 'keyring',
        said: [],
        same: 'secret-a',
        restarted: 'secret-a',
        asked: 1,
        askedAgain: 0,
        found: 'secret-a',
        after: null,
      })
    } finally {
      await removeDirectory(home)
    }
  })

  it('goes on asking while who asked is told to end, and ends with them', async function () {
    requires(this, 'keyring')
    const home = await temporaryDirectory('keyring')
    const bus = createServer()
    const called = once(bus, 'connection')
    await new Promise<void>((resolve) => bus.listen(join(home, 'bus'), resolve))
    const child = fork(join(root, 'client/login/keyring-process.ts'), {
      execArgv: ['--import', 'tsx'],
      env: { ...process.env, DBUS_SESSION_BUS_ADDRESS: `unix:path=${home}/bus` },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    const ended = once(child, 'exit')
    try {
      child.send({ kind: 'get', service: 'coffer', account: 'nobody' })
      const [silent] = (await called) as [Socket]
      const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
      for (const signal of signals) child.kill(signal)
      await until('the signals have come', async () => (await pendingSignals(child.pid)) === 0n)
      expect([child.exitCode, child.signalCode]).to.deep.equal([null, null])
      child.disconnect()
      expect(await ended).to.deep.equal([null, 'SIGKILL'])
      silent.destroy()
    } finally {
      child.kill('SIGKILL')
      await ended
      bus.close()
      await removeDirectory(home)
    }
  })
})

/** ShdPnd of proc_pid_status(5): sent to the process, and not taken yet. */
async function pendingSignals(pid: number | undefined): Promise<bigint> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return BigInt(`0x${/^ShdPnd:\s*(\w+)$/m.exec(status)?.[1]}`)
}
