import { accounts as openAccounts } from './accounts.js'
import { fixIssuer, makeAdministrator, makeBuiltInClient } from './bootstrap.js'
import { compose } from './compose.js'
import { type Config, issuerOf } from './config.js'
import { databaseFile, prepareDataDirectory, secretOfServer } from './data-directory.js'
import { userTable } from './database/accounts.js'
import { auditLog } from './database/audit.js'
import { openDatabase } from './database/database.js'
import { oauthStore } from './database/oauth-store.js'
import { settings } from './database/settings.js'
import { listen } from './listen.js'
import { lockDataDirectory } from './lock.js'
import type { Log } from './log.js'
import { passwords } from './passwords.js'
import { deferContinue } from './routes/body.js'
import { openStorage } from './storage/engine.js'
import { keepSwept } from './sweep.js'
import { contextOptions, keepCertificate } from './tls/context.js'
import { localCertificate, readKeyPair, tlsFiles } from './tls/files.js'
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

/** Opens everything, listens, and says so. */
export async function serve(config: Config, around: Surroundings): Promise<RunningServer> {
  const { clock, log, print } = around
  prepareDataDirectory(config.data, around.uid)
  const lock = lockDataDirectory(config.data)
  const secret = secretOfServer(config)
  const database = openDatabase(databaseFile(config.data))
  const store = oauthStore(database)
  const audit = auditLog(database, secret.derive('audit'), clock)
  const accounts = openAccounts(userTable(database), passwords(), clock)

  const configured =
    config.issuer ?? (config.port === 0 ? undefined : issuerOf(config, config.port))
  if (configured !== undefined) {
    fixIssuer(settings(database), configured, { acceptChange: config.acceptIssuerChange })
  }
  const { oneTimePassword } = await makeAdministrator(accounts, config.adminPassword)
  await makeBuiltInClient(store, clock().getTime())
  const storage = await openStorage({ directory: config.data, database })

  const hosts = [around.machine, config.host, ...(configured ? [new URL(configured).hostname] : [])]
  const loadCertificate = async () =>
    config.tls === undefined
      ? (await localCertificate(config.data, around.machine, certificateNames(...hosts), clock()))
          .pair
      : readKeyPair(config.tls)
  const listeners = await listen({
    host: config.host,
    port: config.port,
    tls: contextOptions(await loadCertificate()),
    maxConnections: config.maxConnections,
  })
  const issuer = issuerOf(config, listeners.port)
  const { app, sweep, flush } = compose({
    config,
    issuer,
    database,
    storage,
    store,
    accounts,
    audit,
    secret,
    clock,
    log,
  })
  for (const server of listeners.servers) {
    server.on('request', app)
    deferContinue(server, app)
  }

  const files = config.tls ?? tlsFiles(config.data).server
  const certificate = keepCertificate({
    load: loadCertificate,
    apply: (options) => listeners.setTls(options),
    files: [files.certificate, files.key],
    report(outcome) {
      if (outcome.kind === 'loaded') log.info('the certificate was loaded again')
      else
        log.error({ err: outcome.cause }, 'the certificate could not be loaded: the old one stays')
    },
  })
  const sweeper = keepSwept({
    database,
    tokens: sweep,
    audit,
    clock,
    failed: (err) => log.error({ err }, 'sweeping failed'),
  })

  if (oneTimePassword !== undefined) {
    print(`The administrator is "admin", the password ${oneTimePassword} (shown only this once).`)
    print(`Sign in and choose your own at ${issuer}/account`)
  }
  if (config.tls === undefined) {
    print(
      `The local certificate authority, for clients to trust, is ${tlsFiles(config.data).authority.certificate}`,
    )
  }
  print(`Coffer is serving ${issuer}`)

  return {
    issuer,
    reloadCertificate: () => certificate.reload(),
    async stop() {
      certificate.stop()
      sweeper.stop()
      const whole = await listeners.close(config.shutdownGraceSeconds * 1000)
      if (!whole) log.warn('requests were cut off: they took longer than the grace')
      flush()
      await storage.close()
      database.close()
      lock.release()
    },
  }
}
