/** Control characters, which move a terminal's cursor and more, and those that turn the direction of a text around. */
const COMMANDS = /(?!\n)\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu

/** Text that may be a server's, for a terminal: it cannot pass itself off as ours. */
export function printable(text: string): string {
  return text.replace(COMMANDS, '\ufffd')
}
