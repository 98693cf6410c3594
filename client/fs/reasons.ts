import type { RemoteFiles } from '../remote-files.js'
import { hasCode } from './answer.js'

/** A program sees EIO and nothing else: so why is written to the log. */
export function withReasons(
  files: RemoteFiles,
  log: (message: string, error: unknown) => void,
): RemoteFiles {
  return new Proxy(files, {
    get(target, name, receiver) {
      const method = Reflect.get(target, name, receiver)
      if (typeof method !== 'function') return method
      return (...parameters: unknown[]) => {
        const result = Reflect.apply(method, target, parameters)
        if (!(result instanceof Promise)) return result
        return result.catch((error: unknown) => {
          if (hasCode(error, 'EIO')) log(`${String(name)} ${spelled(parameters[0])} failed`, error)
          throw error
        })
      }
    },
  })
}

/** An inode's number, or the place of a name. */
function spelled(parameter: unknown): string {
  return typeof parameter === 'object' ? JSON.stringify(parameter) : String(parameter)
}
