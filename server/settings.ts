import { isIP } from 'node:net'
import { z } from 'zod'

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'] as const

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

const COUNT = integer(1, 1_000_000, 'must be a number from 1 to 1000000')

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
    schema: text('must name a directory').optional(),
  },
  host: {
    flag: '--host <address>',
    help: 'the name or address to listen on (default localhost; :: is all)',
    schema: text('must be a host name or an address')
      .regex(/^[A-Za-z0-9.:%_-]+$/, 'must be a host name or an address')
      .default('localhost'),
  },
  port: {
    flag: '--port <number>',
    help: 'the port to listen on (default 8443; 0 is any free one)',
    schema: integer(0, 65535, 'must be a port from 0 to 65535').default(8443),
  },
  issuer: {
    flag: '--issuer <url>',
    help: 'the URL people reach this server at (default https://localhost:PORT)',
    schema: text(ISSUER)
      .refine(isHttpsOrigin, ISSUER)
      .transform((url) => new URL(url).origin)
      .optional(),
  },
  adminPassword: {
    help: 'the password of the user that the first start makes',
    schema: text('must have 8 to 1024 characters')
      .min(8, 'must have 8 to 1024 characters')
      .max(1024, 'must have 8 to 1024 characters')
      .optional(),
  },
  tlsCert: {
    flag: '--tls-cert <file>',
    help: 'your own certificate chain (PEM) instead of the local one',
    schema: text('must name a PEM file').optional(),
  },
  tlsKey: {
    flag: '--tls-key <file>',
    help: 'the private key of --tls-cert (PEM)',
    schema: text('must name a PEM file').optional(),
  },
  secret: {
    help: 'the secret that protects keys at rest, at least 32 characters',
    schema: text('must have at least 32 characters')
      .min(32, 'must have at least 32 characters')
      .optional(),
  },
  secretFile: {
    flag: '--secret-file <file>',
    help: 'a file of mode 0600 with that secret (default: made in the data directory)',
    schema: text('must name a file').optional(),
  },
  trustProxy: {
    flag: '--trust-proxy <networks>',
    help: 'proxies whose X-Forwarded-For is believed, separated by commas',
    schema: z
      .union([z.array(z.string()), z.string().transform((list) => list.split(','))], {
        error: NETWORKS,
      })
      .transform((list) => list.map((entry) => entry.trim()).filter((entry) => entry !== ''))
      .refine((list) => list.every(isNetwork), NETWORKS)
      .default([]),
  },
  accessTokenLifetime: {
    flag: '--access-token-lifetime <seconds>',
    help: 'how long an access token lives (default 900)',
    schema: integer(1, 3600, 'must be seconds from 1 to 3600').default(900),
  },
  registration: {
    flag: '--registration <mode>',
    help: 'off, or open: applications may register themselves (RFC 7591; default off)',
    schema: z.enum(['off', 'open'], { error: 'must be off or open' }).default('off'),
  },
  loginFailures: {
    flag: '--login-failures <number>',
    help: 'failed logins an address may have in 15 minutes (default 30)',
    schema: COUNT.default(30),
  },
  tokenFailures: {
    flag: '--token-failures <number>',
    help: 'failed client authentications, and tokens that are no good, an address may send in 5 minutes (default 100)',
    schema: COUNT.default(100),
  },
  unfinishedRequests: {
    flag: '--unfinished-requests <number>',
    help: 'pushed requests and device codes an address may ask for in 5 minutes; twenty times as many for one client (default 600)',
    schema: COUNT.default(600),
  },
  maxConnections: {
    flag: '--max-connections <number>',
    help: 'connections at one time, a quarter of them from one address (default 4096)',
    schema: COUNT.default(4096),
  },
  shutdownGrace: {
    flag: '--shutdown-grace <seconds>',
    help: 'how long SIGTERM waits for requests under way (default 30)',
    schema: integer(0, 3600, 'must be seconds from 0 to 3600').default(30),
  },
  logLevel: {
    flag: '--log-level <level>',
    help: `one of ${LOG_LEVELS.join(', ')} (default info)`,
    schema: z
      .enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(', ')}` })
      .default('info'),
  },
} as const satisfies Record<string, { flag?: string; help: string; schema: z.ZodType }>

export type SettingName = keyof typeof SETTINGS
export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[]
export const SECRETS: ReadonlySet<SettingName> = new Set(['adminPassword', 'secret'])

/** All of them as one object: what zod checks. */
export const settingsSchema = z.object(
  Object.fromEntries(SETTING_NAMES.map((name) => [name, SETTINGS[name].schema])) as {
    [Name in SettingName]: (typeof SETTINGS)[Name]['schema']
  },
)

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
