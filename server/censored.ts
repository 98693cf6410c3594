/** Names under which secrets travel. */
const SECRETS: ReadonlySet<string> = new Set([
  ...['password', 'authorization', 'cookie', 'code', 'token', 'secret'],
])
/** How far within what is logged they are looked for. */
const LEVELS = 2

/** The same, without what has the name of a secret. pino's own `redact` takes ten times as long as all else of an entry. */
export function censored<T extends object>(entry: T): T {
  return censoredTo(LEVELS, entry) as T
}

function censoredTo(levels: number, value: object): object {
  // What an error has is told by its serializer.
  if (value instanceof Error) return value
  let copy: Record<string, unknown> | undefined
  for (const [name, within] of Object.entries(value)) {
    const told = SECRETS.has(name) ? '[secret]' : toldOf(levels, within)
    if (told === within) continue
    copy ??= { ...value }
    copy[name] = told
  }
  return copy ?? value
}

function toldOf(levels: number, within: unknown): unknown {
  const isWithin = levels > 0 && typeof within === 'object' && within !== null
  return isWithin ? censoredTo(levels - 1, within) : within
}
