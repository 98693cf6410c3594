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
  let copy: Record<string, unknown> | undefined
  for (const [name, within] of Object.entries(value)) {
    const told = SECRETS.has(name) ? '[secret]' : toldOf(levels, name, within)
    if (told === within) continue
    copy ??= Object.assign(Array.isArray(value) ? [] : {}, value) as Record<string, unknown>
    copy[name] = told
  }
  return copy ?? value
}

function toldOf(levels: number, name: string, within: unknown): unknown {
  if (levels === 0 || typeof within !== 'object' || within === null) return within
  // What this one has is told by its serializer, which needs all of it.
  if (levels === LEVELS && name === 'err' && within instanceof Error) return within
  return censoredTo(levels - 1, within)
}
