import type { PendingWrites } from '../mount/control.js'
import { shownSize } from '../shown-size.js'

const WIDTH = 30

/** A progress bar for what is still to be sent; its whole is the most that there ever was to send. */
export class Progress {
  #most = 0

  line({ bytes, files }: PendingWrites): string {
    this.#most = Math.max(this.#most, bytes)
    const sent = this.#most === 0 ? 0 : 1 - bytes / this.#most
    const filled = Math.floor(sent * WIDTH)
    const bar = '#'.repeat(filled) + '.'.repeat(WIDTH - filled)
    const percent = `${Math.floor(sent * 100)}`.padStart(3)
    return `[${bar}] ${percent} %, to be sent: ${amount({ bytes, files })}`
  }
}

export function amount({ bytes, files }: PendingWrites): string {
  return `${shownSize(bytes)} in ${files === 1 ? '1 file' : `${files} files`}`
}
