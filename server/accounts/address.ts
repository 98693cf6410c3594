/** Where a request comes from; an IPv4 address in the form people know, also on a socket of both families. */
export function address({ ip = 'unknown' }: { readonly ip?: string | undefined }): string {
  return ip.startsWith('::') ? ip.replace(/^::ffff:(?=\d+\.)/i, '') : ip
}
