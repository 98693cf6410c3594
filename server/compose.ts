import {
  type AuditEvent,
  authorizationServer,
  DEFAULT_LIFETIMES,
  localKeys,
  type Store,
} from '../oauth/index.js'
import type { Accounts } from './accounts/accounts.js'
import { limits } from './accounts/limits.js'
import { sessionCookie, sessions } from './accounts/sessions.js'
import { fileRoutes } from './api/files.js'
import { createApp } from './app.js'
import type { Config } from './config.js'
import type { AuditLog, AuditRecord } from './database/accounts/audit.js'
import { knownAddresses } from './database/accounts/known-addresses.js'
import { LimitStore } from './database/accounts/limits.js'
import { sessionTable } from './database/accounts/sessions.js'
import type { Database } from './database/database.js'
import { epochsOf } from './database/epochs.js'
import { unlessFull } from './database/full-disk.js'
import { lockSessionTable } from './database/lock-sessions.js'
import { grantUsesOf } from './database/oauth/grant-uses.js'
import { Locks } from './locks/locks.js'
import { runningTime } from './locks/running-time.js'
import type { Log } from './log.js'
import type { LeanListener } from './requests/ahead.js'
import { RESOURCE_SCOPES } from './scopes.js'
import type { Secret } from './secret.js'
import { accountRoutes } from './site/account.js'
import { interaction } from './site/interaction.js'
import { loginRoutes } from './site/login.js'
import { pages } from './site/pages.js'
import type { Site } from './site/site.js'
import type { Storage } from './storage/storage.js'
import { ownTurn } from './turn.js'

export interface Parts {
  readonly config: Pick<
    Config,
    | 'accessTokenLifetimeSeconds'
    | 'registration'
    | 'loginFailures'
    | 'tokenFailures'
    | 'unfinishedRequests'
    | 'trustProxy'
  >
  readonly issuer: string
  readonly database: Database
  readonly storage: Storage
  readonly store: Store
  readonly accounts: Accounts
  readonly audit: AuditLog
  readonly secret: Secret
  readonly clock: () => Date
  readonly log: Log
}

export interface Composed {
  readonly app: LeanListener
  /** Removes expired state of the authorization server. */
  sweep(): Promise<void>
  /** The server is about to stop: from now on no lease runs out. */
  stopping(): void
  /** Writes down what is still only in memory; nothing comes afterwards. */
  close(): void
}

/** Puts the authorization server, the file API and the site together. */
export function compose(parts: Parts): Composed {
  const { config, issuer, database, storage, store, accounts, secret, clock, log } = parts

  const browsers = sessionTable(database)
  const epochs = epochsOf(database)
  const audit = (record: AuditRecord): void => {
    parts.audit.append(record)
    void ownTurn().then(() => log.info({ ...record, audit: true }, record.event))
  }
  const site: Site = {
    issuer,
    accounts,
    sessions: sessions({
      table: browsers,
      accounts,
      csrfKey: secret.derive('csrf'),
      clock,
      issuer,
    }),
    pages: pages(issuer),
    clock,
    log,
    audit,
  }

  const lifetimes = { ...DEFAULT_LIFETIMES, accessToken: config.accessTokenLifetimeSeconds }
  const authorization = authorizationServer({
    issuer,
    resource: `${issuer}/files`,
    scopes: RESOURCE_SCOPES,
    registration: config.registration,
    unfinishedPerClient: config.unfinishedRequests * 20,
    store,
    keys: localKeys({
      store,
      secret: secret.derive('oauth'),
      clock,
      lifetimes,
      rotationFailed: (err) => log.error({ err }, 'the next signing keys could not be made'),
      audit: (event) => audit(recordOf(event)),
    }),
    secret: secret.derive('oauth'),
    clock,
    lifetimes,
    accounts,
    epoch: () => epochs.now('access'),
    audit: (event) => audit(recordOf(event)),
    interaction: interaction(site),
  })

  const uses = grantUsesOf(database)
  uses.whenFailing((err) =>
    log.warn({ err }, 'uses of grants cannot be written down: a restart forgets them'),
  )
  const isKnown = knownAddresses(database)
  const limitStores: LimitStore[] = []
  const limit = limits({
    store(prefix) {
      const made = new LimitStore(database, prefix, clock, (err) =>
        log.warn(
          { err, counters: prefix },
          'counters of requests cannot be written down: a restart forgets them',
        ),
      )
      limitStores.push(made)
      return made
    },
    loginFailures: config.loginFailures,
    tokenFailures: config.tokenFailures,
    unfinishedRequests: config.unfinishedRequests,
    audit,
    subjectOf: (name) => accounts.lookup(name)?.id,
    knows: (name, address) => isKnown(name, address, clock().getTime()),
  })

  const locks = new Locks({
    now: runningTime(() => performance.now()),
    records: lockSessionTable(database),
  })
  storage.guardNames(locks)
  const app = createApp({
    site,
    authorization,
    files: fileRoutes({
      storage,
      locks,
      requireRead: authorization.requireScope('file.read'),
      requireWrite: authorization.requireScope('file.write'),
      isLive: (authenticated) => authorization.isLive(authenticated),
      clock,
      failed: (err) => log.error({ err }, 'an operation failed'),
    }),
    login: loginRoutes(site, {
      limits: limit.login,
      formAction: (to) => authorization.formAction(to),
    }),
    account: accountRoutes(site, {
      grants: authorization.grants,
      endSession: (sid) => store.revokeGrantsOfSession(sid, clock().getTime()),
      browsers,
      limits: limit.login,
    }),
    sessionCookie: sessionCookie(secret.derive('cookie')),
    clientLimits: limit,
    log,
    trustProxy: config.trustProxy,
  })
  return {
    app,
    sweep: () => authorization.sweep(),
    stopping: () => locks.stop(),
    close() {
      locks.close()
      // What a full disk does not take is lost, as in a crash.
      for (const limitStore of limitStores) unlessFull(() => limitStore.shutdown())
      unlessFull(() => uses.flush())
    },
  }
}

function recordOf({
  type,
  outcome,
  sub,
  client_id,
  grantId,
  address,
  detail,
}: AuditEvent): AuditRecord {
  const details = [detail, grantId === undefined ? undefined : `grant ${grantId}`]
  const text = details.filter((part) => part !== undefined).join('; ')
  return { event: type, outcome, subject: sub, client_id, address, detail: text }
}
