/** What the pages say in plain words. */

/** What an error says, which begins and ends as part of a line of a log would. */
export function sentence(message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`
}

/** What a scope allows, as the consent page says it. */
const SCOPES: Readonly<Record<string, { label: string; hint?: string }>> = {
  openid: { label: 'know that it is you' },
  profile: { label: 'see your name and user name' },
  email: { label: 'see your e-mail address' },
  offline_access: {
    label: 'stay signed in',
    hint: 'Until you remove it on your account page. Otherwise it ends when you sign out here.',
  },
  'file.read': { label: 'read all your files and folders' },
  'file.write': {
    label: 'change all your files and folders',
    hint: 'Create, overwrite, rename and delete.',
  },
}

export function describeScope(scope: string): { label: string; hint?: string } {
  return SCOPES[scope] ?? { label: scope }
}

/** Where the browser session is now in which a grant was given: `elsewhere` in another browser, `gone` once it ran out. */
export type GivenIn = 'here' | 'elsewhere' | 'gone'

/** When a grant ends that was not given for longer (offline_access). */
const ENDS: Readonly<Record<GivenIn, string>> = {
  here: 'ends when you sign out',
  elsewhere: 'ends when you sign out in the browser in which it was allowed',
  gone: 'ends when it was not used for 30 days',
}

/** In one line, for a list: what is in a grant. */
export function describeScopes(scopes: string, givenIn: GivenIn): string {
  const asked = new Set(scopes.split(' '))
  const parts: string[] = []
  if (asked.has('file.write')) parts.push('reads and changes your files')
  else if (asked.has('file.read')) parts.push('reads your files')
  else parts.push('knows who you are')
  parts.push(asked.has('offline_access') ? 'stays signed in' : ENDS[givenIn])
  return parts.join(', ')
}

const STEPS: readonly [seconds: number, name: string][] = [
  [86_400, 'day'],
  [3_600, 'hour'],
  [60, 'minute'],
]

/** A moment for people, and exactly (RFC 3339). */
export function describeTime(time: number, now: number): { ago: string; exact: string } {
  return { ago: ago((now - time) / 1000), exact: new Date(time).toISOString() }
}

function ago(seconds: number): string {
  for (const [length, name] of STEPS) {
    const count = Math.floor(seconds / length)
    if (count >= 1) return `${count} ${name}${count === 1 ? '' : 's'} ago`
  }
  return 'just now'
}

/** The first that matches, so the ones that pretend to be others come first. */
const BROWSERS: readonly [pattern: RegExp, name: string][] = [
  [/Edg\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/Firefox\/|FxiOS\//, 'Firefox'],
  [/Chrome\/|CriOS\//, 'Chrome'],
  [/Safari\//, 'Safari'],
]
const SYSTEMS: readonly [pattern: RegExp, name: string][] = [
  [/Android/, 'Android'],
  [/iPhone|iPad/, 'iOS'],
  [/Windows/, 'Windows'],
  [/Mac OS X/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux'],
]

/** A User-Agent field, as people would say it. It is a guess, and only for them. */
export function describeBrowser(userAgent: string): string {
  const find = (table: readonly [RegExp, string][]) =>
    table.find(([pattern]) => pattern.test(userAgent))?.[1]
  const browser = find(BROWSERS) ?? 'A browser'
  const system = find(SYSTEMS)
  return system === undefined ? browser : `${browser} on ${system}`
}
