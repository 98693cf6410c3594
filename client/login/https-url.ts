import { z } from 'zod'

/**
 * A URL as a server names one: https, and in the characters of RFC 3986 section 2. The URL parser is content with more, and
 * what a server says is shown in a terminal.
 */
export const httpsUrl = z
  .string()
  .regex(/^https:\/\/[\x21-\x7e]+$/)
  .refine((url) => URL.canParse(url))
