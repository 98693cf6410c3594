import { FileError } from '../errors.js'

/** http-URI / https-URI (RFC 9110 section 4.2), cut but not normalised: ".." must stay visible to the path's parser. */
const ABSOLUTE = /^(https?:\/\/[^/?#]*)(\/[^?#]*)$/i

/**
 * The still encoded path a Destination names (RFC 4918 section 10.3): an absolute path, or a URL of one of our own origins.
 * @param origins such as "https://files.example:8443", lower case
 * @throws FileError EINVAL
 */
export function destinationPath(field: string | undefined, origins: readonly string[]): string {
  if (field === undefined) throw invalid('Destination is missing; it must say where to')
  if (/^\/[^?#]*$/.test(field)) return field
  const [, origin, path] = ABSOLUTE.exec(field) ?? []
  if (origin === undefined || path === undefined) {
    throw invalid('Destination must be an absolute path of this API, without query or fragment')
  }
  if (!origins.includes(origin.toLowerCase())) throw invalid('Destination must be on this server')
  return path
}

/** Overwrite = "T" | "F", and T where it is missing (RFC 4918 section 10.6). The same grammar serves Coffer-Exchange. */
export function parseFlag(name: string, field: string | undefined, absent: 'T' | 'F'): 'T' | 'F' {
  const flag = (field ?? absent).toUpperCase()
  if (flag !== 'T' && flag !== 'F') throw invalid(`${name} must be T or F`)
  return flag
}

/** Depth of COPY = "0" | "infinity" (RFC 4918 section 9.8.3). */
export function parseDepth(field: string | undefined): '0' | 'infinity' {
  const depth = (field ?? 'infinity').toLowerCase()
  if (depth !== '0' && depth !== 'infinity') throw invalid('Depth must be 0 or infinity')
  return depth
}

function invalid(message: string): FileError {
  return new FileError('EINVAL', message)
}
