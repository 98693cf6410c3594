import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { z } from 'zod'

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
  readonly adminPassword: string | undefined
  readonly tls: { readonly certificate: string; readonly key: string } | undefined
  /** From the environment or from a file; undefined: a file in the data directory. */
  readonly secret: string | undefined
  readonly secretFile: string | undefined
  /** Addresses and networks whose X-Forwarded-For is believed. */
  readonly trustProxy: readonly string[]
  readonly accessTokenLifetimeSeconds: number
  readonly loginFailures: number
  readonly tokenFailures: number
  readonly maxConnections: number
  readonly shutdownGraceSeconds: number
  readonly logLevel: (typeof LOG_LEVELS)[number]
}

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'] as const

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

const integer = (minimum: number, maximum: number, what: string) =>
  z
    .union(
      [
        z.number(),
        z
          .string()
          .regex(/^\d{1,15}$/)
          .transform(Number),
      ],
      { error: what },
    )
    .pipe(z.number({ error: what }).int(what).min(minimum, what).max(maximum, what))

const text = (what: string) => z.string({ error: what }).min(1, what).max(4096, what)

const ISSUER =
  'must be an https origin such as https://files.example.org, without path, query or user name'
const NETWORKS =
  'must be addresses or networks separated by commas, such as 127.0.0.1, 10.0.0.0/8, loopback'
const NAMED_NETWORKS = new Set(['loopback', 'linklocal', 'uniquelocal'])

/** One row a setting: its names in the three sources, what is said about it, and what it must be. */
export const SETTINGS = {
  data: {
    flag: '--data <directory>',
    help: 'where everything is kept',
    schema: text('must name a directory'),
  },
  host: {
    flag: '--host <address>',
    help: 'the name or address to listen on (default localhost; :: is all)',
    schema: text('must be a host name or an address').regex(
      /^[A-Za-z0-9.:%_-]+$/,
      'must be a host name or an address',
    ),
  },
  port: {
    flag: '--port <number>',
    help: 'the port to listen on (default 8443; 0 is any free one)',
    schema: integer(0, 65535, 'must be a port from 0 to 65535'),
  },
  issuer: {
    flag: '--issuer <url>',
    help: 'the URL people reach this server at (default https://localhost:PORT)',
    schema: text(ISSUER)
      .refine(isHttpsOrigin, ISSUER)
      .transform((url) => new URL(url).origin),
  },
  adminPassword: {
    help: 'the password of the administrator that the first start makes',
    schema: text('must have 8 to 1024 characters')
      .min(8, 'must have 8 to 1024 characters')
      .max(1024, 'must have 8 to 1024 characters'),
  },
  tlsCert: {
    flag: '--tls-cert <file>',
    help: 'your own certificate chain (PEM) instead of the local one',
    schema: text('must name a PEM file'),
  },
  tlsKey: {
    flag: '--tls-key <file>',
    help: 'the private key of --tls-cert (PEM)',
    schema: text('must name a PEM file'),
  },
  secret: {
    help: 'the secret that protects keys at rest, at least 32 characters',
    schema: text('must have at least 32 characters').min(32, 'must have at least 32 characters'),
  },
  secretFile: {
    flag: '--secret-file <file>',
    help: 'a file of mode 0600 with that secret (default: made in the data directory)',
    schema: text('must name a file'),
  },
  trustProxy: {
    flag: '--trust-proxy <networks>',
    help: 'proxies whose X-Forwarded-For is believed, separated by commas',
    schema: z
      .union([z.array(z.string()), z.string().transform((list) => list.split(','))], {
        error: NETWORKS,
      })
      .transform((list) => list.map((entry) => entry.trim()).filter((entry) => entry !== ''))
      .refine((list) => list.every(isNetwork), NETWORKS),
  },
  accessTokenLifetime: {
    flag: '--access-token-lifetime <seconds>',
    help: 'how long an access token lives (default 900)',
    schema: integer(1, 3600, 'must be seconds from 1 to 3600'),
  },
  loginFailures: {
    flag: '--login-failures <number>',
    help: 'failed logins an address may have in 15 minutes (default 30)',
    schema: integer(1, 1_000_000, 'must be a number from 1 to 1000000'),
  },
  tokenFailures: {
    flag: '--token-failures <number>',
    help: 'failed client authentications an address may have in 5 minutes (default 100)',
    schema: integer(1, 1_000_000, 'must be a number from 1 to 1000000'),
  },
  maxConnections: {
    flag: '--max-connections <number>',
    help: 'connections at one time (default 4096)',
    schema: integer(1, 1_000_000, 'must be a number from 1 to 1000000'),
  },
  shutdownGrace: {
    flag: '--shutdown-grace <seconds>',
    help: 'how long SIGTERM waits for requests under way (default 30)',
    schema: integer(0, 3600, 'must be seconds from 0 to 3600'),
  },
  logLevel: {
    flag: '--log-level <level>',
    help: `one of ${LOG_LEVELS.join(', ')} (default info)`,
    schema: z.enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(', ')}` }),
  },
} as const satisfies Record<string, { flag?: string; help: string; schema: z.ZodType }>

export type SettingName = keyof typeof SETTINGS
const NAMES = Object.keys(SETTINGS) as SettingName[]
const SECRETS: ReadonlySet<SettingName> = new Set(['adminPassword', 'secret'])

const settingsSchema = z.object({
  data: SETTINGS.data.schema.optional(),
  host: SETTINGS.host.schema.default('localhost'),
  port: SETTINGS.port.schema.default(8443),
  issuer: SETTINGS.issuer.schema.optional(),
  adminPassword: SETTINGS.adminPassword.schema.optional(),
  tlsCert: SETTINGS.tlsCert.schema.optional(),
  tlsKey: SETTINGS.tlsKey.schema.optional(),
  secret: SETTINGS.secret.schema.optional(),
  secretFile: SETTINGS.secretFile.schema.optional(),
  trustProxy: SETTINGS.trustProxy.schema.default([]),
  accessTokenLifetime: SETTINGS.accessTokenLifetime.schema.default(900),
  loginFailures: SETTINGS.loginFailures.schema.default(30),
  tokenFailures: SETTINGS.tokenFailures.schema.default(100),
  maxConnections: SETTINGS.maxConnections.schema.default(4096),
  shutdownGrace: SETTINGS.shutdownGrace.schema.default(30),
  logLevel: SETTINGS.logLevel.schema.default('info'),
})

/** Defaults < file < environment < flags. @throws ConfigError with every bad value */
export function parseConfig(sources: Sources): Config {
  const problems: string[] = []
  const file = fileSettings(sources, problems)
  const values: Partial<Record<SettingName, unknown>> = {}
  const spelled: Partial<Record<SettingName, string>> = {}
  for (const name of NAMES) {
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
    data: resolve(rest.data ?? defaultData(sources)),
    acceptIssuerChange: sources.flags.acceptIssuerChange === true,
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

function flagOf(name: SettingName): string {
  const setting = SETTINGS[name]
  return 'flag' in setting ? (setting.flag.split(' ')[0] ?? name) : environmentName(name)
}

function fileSettings(sources: Sources, problems: string[]): Partial<Record<SettingName, unknown>> {
  const path = sources.flags.config ?? nonEmpty(sources.environment.COFFER_CONFIG)
  if (typeof path !== 'string') return {}
  try {
    const content: unknown = JSON.parse(sources.readFile(path))
    if (typeof content !== 'object' || content === null || Array.isArray(content)) {
      problems.push(`the configuration file ${path} must be one JSON object`)
      return {}
    }
    for (const key of Object.keys(content)) {
      if (!Object.hasOwn(SETTINGS, key)) {
        problems.push(`"${key}" in the configuration file must be one of ${NAMES.join(', ')}`)
      }
    }
    return content
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    problems.push(`the configuration file ${path} must be readable JSON: ${reason}`)
    return {}
  }
}

function defaultData(sources: Sources): string {
  const dataHome = nonEmpty(sources.environment.XDG_DATA_HOME)
  return join(dataHome ?? join(sources.home, '.local', 'share'), 'coffer')
}

/** An empty variable is as good as none: scripts write `COFFER_PORT= make serve`. */
function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value
}

function isHttpsOrigin(value: string): boolean {
  if (!URL.canParse(value)) return false
  const url = new URL(value)
  return (
    url.protocol === 'https:' &&
    [url.origin, `${url.origin}/`].includes(url.href.replace(/\/$/, ''))
  )
}

/** An address, a network (address "/" prefix length), or a name for one. */
function isNetwork(value: string): boolean {
  if (NAMED_NETWORKS.has(value)) return true
  const [address = '', prefix, ...rest] = value.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return (
    prefix === undefined ||
    (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128))
  )
}
