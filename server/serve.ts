import { setMaxListeners } from 'node:events'
import { isIPv6 } from 'node:net'
import { accounts as openAccounts } from './accounts/accounts.js'
import { HashingProcess } from './accounts/hashing.js'
import { passwords } from './accounts/passwords.js'
import { isUpgrade, takeUpgrades } from './api/batch/upgrade.js'
import { deferContinue } from './api/input/body.js'
import {
  beginAudit,
  checkIssuer,
  fixIssuer,
  fixSecret,
  makeBuiltInClient,
  makeFirstUser,
} from './bootstrap.js'
import { compose } from './compose.js'
import { type Config, issuerOf } from './config.js'
import { type Listeners, listen } from './connections/listen.js'
import { isAtLocalhost } from './connections/localhost.js'
import { openDataDirectory, prepareDataDirectory, secretOfServer } from './data-directory.js'
import { userTable } from './database/accounts/accounts.js'
import { auditLog } from './database/accounts/audit.js'
import type { Database } from './database/database.js'
import { lockDataDirectory } from './database/lock.js'
import { alone } from './database/log.js'
import { oauthStore } from './database/oauth/store.js'
import { settings } from './database/settings.js'
import type { Log } from './log.js'
import { Opened } from './opened.js'
import type { LeanListener } from './requests/ahead.js'
import { refuseMalformed } from './requests/malformed.js'
import { takeExpectations } from './requests/soundness.js'
import type { Secret } from './secret.js'
import { endWholeRestore } from './storage/backup/unfinished-restore.js'
import { openStorage } from './storage/sqlite-storage.js'
import { keepSwept } from './sweep.js'
import { contextOptions, keepCertificate } from './tls/context.js'
import { configuredCertificate, localCertificate, tlsFiles } from './tls/files.js'
import { certificateNames } from './tls/names.js'

export interface Surroundings {
  readonly clock: () => Date
  readonly log: Log
  /** What this machine calls itself. */
  readonly machine: string
  readonly uid: number | undefined
  /** For the person who started it. */
  print(line: string): void
}

export interface RunningServer {
  readonly issuer: string
  reloadCertificate(): Promise<void>
  /** Finishes what is under way, for a bounded time, and leaves the data directory as it should be. */
  stop(): Promise<void>
}

const BALLAST_BYTES = 16 * 1024 * 1024
const LOOPBACK = /^(?:localhost|127\.[\d.]+|::1)$/

/** Opens everything, listens, and says so. What a failed start has opened is closed again. */
export async function serve(config: Config, around: Surroundings): Promise<RunningServer> {
  const opened = new Opened()
  try {
    return await start(config, around, opened)
  } catch (error) {
    await opened.close()
    throw error
  }
}

async function start(config: Config, around: Surroundings, opened: Opened): Promise<RunningServer> {
  const { clock, log, print, machine } = around
  if (config.tls !== undefined) configuredCertificate(config.tls)
  prepareDataDirectory(config.data, around.uid, config.files)
  opened.keep(lockDataDirectory(config.data), (lock) => lock.release())
  const database = opened.keep(openDataDirectory(config.data), (db) => db.close())
  await endWholeRestore(config.data)
  const secret = secretFor(database, config)
  const store = oauthStore(database)
  const audit = auditLog(database, secret.derive('audit'), clock)
  const hashing = opened.keep(new HashingProcess(), (process) => process.close())
  const accounts = openAccounts(userTable(database), passwords({ hashing }), clock)

  beginAudit(audit, accounts)
  const how = { acceptChange: config.acceptSecretChange }
  await fixSecret(settings(database), store, audit, secret, how)
  const settled = config.issuer ?? (config.port === 0 ? undefined : issuerOf(config, config.port))
  if (settled !== undefined) {
    checkIssuer(settings(database), settled, { acceptChange: config.acceptIssuerChange })
  }
  await makeBuiltInClient(store, clock().getTime())
  const engine = { directory: config.data, database, ballastBytes: BALLAST_BYTES }
  const storage = opened.keep(await openStorage(engine), (opened) => opened.close())

  const hosts = [machine, config.host, ...(settled ? [new URL(settled).hostname] : [])]
  const loadCertificate = async () =>
    config.tls === undefined
      ? (await localCertificate(config.data, machine, certificateNames(...hosts), clock())).pair
      : configuredCertificate(config.tls)
  const tls = contextOptions(await loadCertificate())
  const { host, port, maxConnections, trustProxy } = config
  const maxConnectionsOfAddress =
    trustProxy.length === 0 ? Math.max(1, Math.floor(maxConnections / 4)) : undefined
  const connections = { maxConnections, maxConnectionsOfAddress, isUpgrade }
  const listeners = await listen({ host, port, tls, ...connections })
  const issuer = issuerOf(config, listeners.port)
  const parts = { config, issuer, database, storage, store, accounts, audit, secret, clock, log }
  const { app, sweep, stopping } = opened.keep(compose(parts), (composed) => composed.close())
  opened.keep(listeners, async () => {
    const whole = await listeners.close(config.shutdownGraceSeconds * 1000)
    if (!whole) log.warn('requests were cut off: they took longer than the grace')
  })
  const closing = opened.keep(new AbortController(), (controller) => {
    stopping()
    controller.abort()
  })
  takeRequests(listeners, app, closing.signal)

  // Only once nothing can go wrong any more: the password is shown once, and the issuer is kept for ever.
  if (settled !== undefined) fixIssuer(settings(database), settled)
  const { oneTimePassword } = await makeFirstUser(accounts, audit, config.adminPassword)

  const files = config.tls ?? tlsFiles(config.data).server
  const certificate = keepCertificate({
    load: loadCertificate,
    apply: (options) => listeners.setTls(options),
    files: [files.certificate, files.key],
    report(outcome) {
      if (outcome.kind === 'loaded') log.info('the certificate was loaded again')
      else log.error({ err: outcome.cause }, 'the certificate cannot be loaded: the old one stays')
    },
  })
  opened.keep(certificate, (keeper) => keeper.stop())
  const failed = (err: unknown) => log.error({ err }, 'sweeping failed')
  opened.keep(keepSwept({ database, tokens: sweep, audit, clock, failed }), (sweeper) =>
    sweeper.stop(),
  )

  announce(
    config,
    { issuer, isAtLocalhost: await isAtLocalhost(listeners) },
    oneTimePassword,
    print,
  )
  return {
    issuer,
    reloadCertificate: () => certificate.reload(),
    stop: () => opened.close(),
  }
}

/** One that is not the one of the database must not be made, and then lie there. */
function secretFor(database: Database, config: Config): Secret {
  const isFixed = settings(database).get('secret_check') !== undefined
  const missing = isFixed && !config.acceptSecretChange ? 'refuse' : 'make'
  // A command beside this may make it, too.
  return alone(database, () => secretOfServer(config, missing))
}

function takeRequests(listeners: Listeners, app: LeanListener, closing: AbortSignal): void {
  setMaxListeners(0, closing)
  for (const server of listeners.servers) {
    server.on('request', app)
    deferContinue(server, app)
    takeExpectations(server, app)
    refuseMalformed(server)
    takeUpgrades(server, app, { silenceMilliseconds: server.timeout, closing })
  }
}

/** What the person who started it must know. */
function announce(
  config: Config,
  { issuer, isAtLocalhost }: { issuer: string; isAtLocalhost: boolean },
  oneTimePassword: string | undefined,
  print: Surroundings['print'],
): void {
  if (oneTimePassword !== undefined) {
    print(`The first user is "admin", the password ${oneTimePassword} (shown only this once).`)
    print(`Sign in and choose your own at ${issuer}/account`)
  }
  if (config.tls === undefined) {
    const { certificate: authority } = tlsFiles(config.data).authority
    print(`The local certificate authority, for clients to trust, is ${authority}`)
  }
  if (config.issuer === undefined && !isAtLocalhost) {
    const { host } = config
    const { port } = new URL(issuer)
    const own = `https://${isIPv6(host) ? `[${host}]` : host}:${port || 443}`
    // No URL names an address with a zone, as link-local ones have (RFC 4007 section 11).
    const such = URL.canParse(own) ? `, such as ${new URL(own).origin},` : ''
    print(
      `Nobody reaches this by ${issuer}: "localhost" does not lead to ${host} here. Set COFFER_ISSUER to the address that people use${such} and start once with --accept-issuer-change.`,
    )
  } else if (config.issuer === undefined && !LOOPBACK.test(config.host)) {
    print(`Others reach this machine by another name than ${issuer}: set COFFER_ISSUER to that.`)
  }
  print(`Coffer is serving ${issuer}`)
}
