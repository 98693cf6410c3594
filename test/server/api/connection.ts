/** What a client sends as `Coffer-Connection`: a secret, with which it names itself. */
export function secretOf(client: string): string {
  return `secret-of-the-client-${client}`
}
