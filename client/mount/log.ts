import { close, fchmod, fstat, open, write, writeSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { type Logger, pino } from 'pino'
import { privateDirectory } from '../atomic-file.js'
import { codeOf } from '../error-of.js'

export type { Logger } from 'pino'

const LOG_BYTES = 4 * 1024 * 1024
const MOST_WAITING_BYTES = 1024 * 1024

/** Structured lines into a file of mode 0600; at 4 MiB it becomes FILE.1 and a new one begins. */
export async function fileLog(path: string): Promise<Logger> {
  await privateDirectory(dirname(path))
  return logTo(new LogFile(path, await openLog(path)))
}

/** Who logs does not wait, for its disk may hang: then more than some is lost. Nor is it ever an error. */
class LogFile {
  readonly #path: string
  #file: OpenLog
  readonly #lines: string[] = []
  #waitingBytes = 0
  #isWriting = false

  constructor(path: string, file: OpenLog) {
    this.#path = path
    this.#file = file
  }

  write(line: string): void {
    if (this.#waitingBytes + line.length > MOST_WAITING_BYTES) return
    this.#waitingBytes += line.length
    this.#lines.push(line)
    if (!this.#isWriting) void this.#writeAll()
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true
    while (this.#lines.length > 0) {
      const lines = this.#lines.splice(0).join('')
      if (this.#file.size + lines.length > LOG_BYTES) await this.#begin().catch(() => {})
      this.#file.size += await promisify(write)(this.#file.descriptor, lines).then(
        ({ bytesWritten }) => bytesWritten,
        () => 0,
      )
      this.#waitingBytes -= lines.length
    }
    this.#isWriting = false
  }

  /** A new file; the former one goes on where there can be none. */
  async #begin(): Promise<void> {
    const { descriptor } = this.#file
    await rename(this.#path, `${this.#path}.1`).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error
    })
    this.#file = await openLog(this.#path)
    await promisify(close)(descriptor)
  }
}

/** For a mount in the foreground. */
export function descriptorLog(descriptor: number): Logger {
  return logTo({
    write(line) {
      try {
        writeSync(descriptor, line)
      } catch {
        // A mount must not end because its log has no room.
      }
    },
  })
}

function logTo(destination: { write(line: string): void }): Logger {
  return pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination)
}

interface OpenLog {
  readonly descriptor: number
  size: number
}

async function openLog(path: string): Promise<OpenLog> {
  const descriptor = await promisify(open)(path, 'a', 0o600)
  await promisify(fchmod)(descriptor, 0o600)
  return { descriptor, size: (await promisify(fstat)(descriptor)).size }
}
