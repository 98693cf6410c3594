import {
  closeSync,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { type Logger, pino } from 'pino'

export type { Logger } from 'pino'

const LOG_BYTES = 4 * 1024 * 1024

/** Structured lines into a file of mode 0600; at 4 MiB it becomes FILE.1 and a new one begins. */
export function fileLog(path: string): Logger {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  let file = openLog(path)
  return logTo({
    write(line) {
      if (file.size + line.length > LOG_BYTES) {
        closeSync(file.descriptor)
        renameSync(path, `${path}.1`)
        file = openLog(path)
      }
      file.size += written(file.descriptor, line)
    },
  })
}

/** For a mount in the foreground. */
export function descriptorLog(descriptor: number): Logger {
  return logTo({
    write(line) {
      written(descriptor, line)
    },
  })
}

/** A mount must not end because its log has no room. */
function written(descriptor: number, line: string): number {
  try {
    return writeSync(descriptor, line)
  } catch {
    return 0
  }
}

function logTo(destination: { write(line: string): void }): Logger {
  return pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination)
}

function openLog(path: string): { descriptor: number; size: number } {
  const descriptor = openSync(path, 'a', 0o600)
  fchmodSync(descriptor, 0o600)
  return { descriptor, size: fstatSync(descriptor).size }
}
