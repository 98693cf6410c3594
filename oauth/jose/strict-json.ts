/** Deeper than any metadata or claims; writing a few thousand levels again overflows the stack (RFC 8259 section 9). */
const DEPTH_MAX = 32

/**
 * JSON objects from strangers. JSON.parse keeps the last of two members with the same name, others keep the first; so a
 * text with both means different things to different readers and is refused (RFC 7515 section 4, RFC 8259 section 4).
 */
export function strictObject(text: string): Record<string, unknown> | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return isStrange(text) ? undefined : (value as Record<string, unknown>)
}

/** A string, or one of the characters that open, close or part objects and arrays. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g

/** Repeats a name, or is nested too deep. Expects valid JSON. */
function isStrange(text: string): boolean {
  const open: (Set<string> | 'array')[] = []
  let last = ''
  for (const [token] of text.matchAll(TOKEN)) {
    const inside = open.at(-1)
    if (token === '{') open.push(new Set())
    else if (token === '[') open.push('array')
    else if (token === '}' || token === ']') open.pop()
    else if (token === ':' && inside instanceof Set) {
      const name: string = JSON.parse(last)
      if (inside.has(name)) return true
      inside.add(name)
    }
    if (open.length > DEPTH_MAX) return true
    last = token
  }
  return false
}
