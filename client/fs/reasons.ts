import { hasCode, type RemoteFiles } from '../remote-files.js'
import { eachMethod } from './each-method.js'

/** A program sees EIO and nothing else: so why is written to the log. */
export function withReasons(
  files: RemoteFiles,
  log: (message: string, error: unknown) => void,
): RemoteFiles {
  return eachMethod(files, (name, ask) => (...parameters) => {
    const result = ask(...parameters)
    if (!(result instanceof Promise)) return result
    return result.catch((error: unknown) => {
      if (hasCode(error, 'EIO')) log(`${name} ${spelled(parameters[0])} failed`, error)
      throw error
    })
  })
}

/** An inode's number, or the place of a name. */
function spelled(parameter: unknown): string {
  return typeof parameter === 'object' ? JSON.stringify(parameter) : String(parameter)
}
