import { join, resolve } from 'node:path'
import { messageOf } from './error-of.js'
import {
  type LOG_LEVELS,
  SECRETS,
  SETTING_NAMES,
  SETTINGS,
  type SettingName,
  settingsSchema,
} from './settings.js'

/** What the server runs with: every value checked, nothing left to look up. */
export interface Config {
  /** The data directory: database, content, keys, certificates. */
  readonly data: string
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** As configured; `issuerOf` gives the one in use. */
  readonly issuer: string | undefined
  readonly acceptIssuerChange: boolean
  readonly acceptSecretChange: boolean
  readonly adminPassword: string | undefined
  readonly tls: { readonly certificate: string; readonly key: string } | undefined
  /** From the environment or from a file; undefined: a file in the data directory. */
  readonly secret: string | undefined
  readonly secretFile: string | undefined
  /** The files that the configuration is in, or names. */
  readonly files: readonly string[]
  /** Addresses and networks whose X-Forwarded-For is believed. */
  readonly trustProxy: readonly string[]
  readonly accessTokenLifetimeSeconds: number
  /** Dynamic client registration (RFC 7591). */
  readonly registration: 'off' | 'open'
  readonly loginFailures: number
  readonly tokenFailures: number
  readonly unfinishedRequests: number
  readonly maxConnections: number
  readonly shutdownGraceSeconds: number
  readonly logLevel: (typeof LOG_LEVELS)[number]
}

/** EX_CONFIG of sysexits.h: before somebody changes the configuration there is no use in trying again. */
export const CONFIGURATION_STATUS = 78

/** Everything that is wrong with the configuration, at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(
      `the configuration is not usable:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
    )
    this.problems = problems
  }
}

export interface Sources {
  readonly flags: Readonly<Record<string, unknown>>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Reads the configuration file; refuses one with secrets in it that others may read. */
  readonly readFile: (path: string) => string
  readonly home: string
}

/** Defaults < file < environment < flags. @throws ConfigError with every bad value */
export function parseConfig(sources: Sources): Config {
  const problems: string[] = []
  const file = fileSettings(sources, problems)
  const values: Partial<Record<SettingName, unknown>> = {}
  const spelled: Partial<Record<SettingName, string>> = {}
  for (const name of SETTING_NAMES) {
    for (const [value, spelling] of [
      [sources.flags[name], flagOf(name)],
      [nonEmpty(sources.environment[environmentName(name)]), environmentName(name)],
      [file[name], `"${name}" in the configuration file`],
    ] as const) {
      if (value === undefined || name in values) continue
      values[name] = value
      spelled[name] = spelling
    }
  }
  const parsed = settingsSchema.safeParse(values)
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const name = issue.path[0] as SettingName
      const given = SECRETS.has(name) ? '' : `, not ${JSON.stringify(values[name])}`
      problems.push(`${spelled[name] ?? name} ${issue.message}${given}`)
    }
  }
  const settings = parsed.data
  if (
    settings !== undefined &&
    (settings.tlsCert === undefined) !== (settings.tlsKey === undefined)
  ) {
    problems.push('COFFER_TLS_CERT and COFFER_TLS_KEY must be given together')
  }
  if (settings?.secret !== undefined && settings.secretFile !== undefined) {
    problems.push('COFFER_SECRET and COFFER_SECRET_FILE must not both be given')
  }
  if (settings === undefined || problems.length > 0) throw new ConfigError([...new Set(problems)])
  const { tlsCert, tlsKey, accessTokenLifetime, shutdownGrace, ...rest } = settings
  return Object.freeze({
    ...rest,
    issuer: rest.issuer,
    adminPassword: rest.adminPassword,
    secret: rest.secret,
    secretFile: rest.secretFile === undefined ? undefined : resolve(rest.secretFile),
    files: Object.freeze(
      [configFile(sources), tlsCert, tlsKey, rest.secretFile].flatMap((path) =>
        path === undefined ? [] : resolve(path),
      ),
    ),
    data: resolve(rest.data ?? defaultData(sources)),
    acceptIssuerChange: sources.flags.acceptIssuerChange === true,
    acceptSecretChange: sources.flags.acceptSecretChange === true,
    tls:
      tlsCert === undefined || tlsKey === undefined
        ? undefined
        : Object.freeze({ certificate: resolve(tlsCert), key: resolve(tlsKey) }),
    accessTokenLifetimeSeconds: accessTokenLifetime,
    shutdownGraceSeconds: shutdownGrace,
  })
}

/** The issuer in use, once the port is known. It comes from the configuration only, never from a request. */
export function issuerOf(config: Pick<Config, 'issuer'>, port: number): string {
  return config.issuer ?? new URL(`https://localhost:${port}`).origin
}

/** COFFER_ACCESS_TOKEN_LIFETIME for accessTokenLifetime. */
export function environmentName(name: string): string {
  return `COFFER_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

export function flagOf(name: SettingName): string {
  const setting = SETTINGS[name]
  return 'flag' in setting ? (setting.flag.split(' ')[0] ?? name) : environmentName(name)
}

export function configFile({ flags, environment }: Sources): string | undefined {
  const path = flags.config ?? nonEmpty(environment.COFFER_CONFIG)
  return typeof path === 'string' ? path : undefined
}

function fileSettings(sources: Sources, problems: string[]): Partial<Record<SettingName, unknown>> {
  const path = configFile(sources)
  if (path === undefined) return {}
  try {
    const content: unknown = JSON.parse(sources.readFile(path))
    if (typeof content !== 'object' || content === null || Array.isArray(content)) {
      problems.push(`the configuration file ${path} must be one JSON object`)
      return {}
    }
    const unknown = Object.keys(content).filter((key) => !Object.hasOwn(SETTINGS, key))
    if (unknown.length > 0) {
      const keys = unknown.map((key) => JSON.stringify(key)).join(', ')
      problems.push(
        `the configuration file ${path} must have no ${keys}, only ${SETTING_NAMES.join(', ')}`,
      )
    }
    return content
  } catch (cause) {
    problems.push(`the configuration file ${path} must be readable JSON: ${messageOf(cause)}`)
    return {}
  }
}

function defaultData(sources: Sources): string {
  const dataHome = nonEmpty(sources.environment.XDG_DATA_HOME)
  return join(dataHome ?? join(sources.home, '.local', 'share'), 'coffer')
}

/** An empty variable is as good as none: scripts write `COFFER_PORT= make serve`. */
export function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value
}
