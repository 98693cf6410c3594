import { AccountError } from '../accounts/accounts.js'
import type { Quota, Usage } from '../storage/storage.js'

export interface QuotaOptions {
  bytes?: string
  files?: string
}

const UNITS = ['', 'K', 'M', 'G', 'T']

/** What an administrator asks for; what is not named stays as it is. */
export function quotaChange({ bytes, files }: QuotaOptions): Partial<Quota> {
  return {
    ...(bytes !== undefined && { maxBytes: limit(bytes, '--bytes') }),
    ...(files !== undefined && { maxInodes: limit(files, '--files') }),
  }
}

export function quotaText(name: string, quota: Quota & Usage): string {
  const of = (most: number | null) => (most === null ? '' : ` of ${most}`)
  const { bytes, maxBytes, inodes, links, maxInodes } = quota
  return `${name} uses ${bytes}${of(maxBytes)} bytes and ${inodes + links}${of(maxInodes)} files and folders.`
}

/** A count, in powers of 1024 if it has a letter; null for none. */
function limit(text: string, option: string): number | null {
  if (text === 'none') return null
  const [, digits = '', letter = ''] = /^(\d+)([KMGT]?)$/i.exec(text) ?? []
  const count = Number(digits) * 1024 ** UNITS.indexOf(letter.toUpperCase())
  if (digits !== '' && Number.isSafeInteger(count)) return count
  throw new AccountError(
    `${option} must be a whole number, with K, M, G or T for powers of 1024, or "none": not "${text}"`,
  )
}
