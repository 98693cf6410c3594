/** How the server says what went wrong. A leaf module: it imports nothing. */

/** The errno names the API answers with, and the HTTP status each is sent with. */
export const STATUS = {
  EINVAL: 400,
  EISDIR: 400,
  ENOTEMPTY: 400,
  ENAMETOOLONG: 400,
  EILSEQ: 400,
  ELOOP: 400,
  ERANGE: 400,
  EPERM: 403,
  EACCES: 403,
  EROFS: 403,
  ENOENT: 404,
  ENODATA: 404,
  EEXIST: 409,
  ENOTDIR: 409,
  EMLINK: 409,
  EBUSY: 409,
  EAGAIN: 409,
  EDEADLK: 409,
  ESTALE: 410,
  EFBIG: 413,
  E2BIG: 413,
  ENOTSUP: 501,
  EIO: 500,
  ENOSPC: 507,
  EDQUOT: 507,
  ENOLCK: 507,
} as const
export type FileErrorCode = keyof typeof STATUS

/** An error answer (RFC 9457): `code` is stable and for programs, `detail` for people. */
export interface WireProblem {
  type: string
  title: string
  status: number
  code: string
  detail: string
  request_id?: string
}
