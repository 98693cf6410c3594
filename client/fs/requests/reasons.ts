import type { RemoteFiles } from '../../remote/remote-files.js'
import { hasCode } from '../../remote-error.js'
import { eachMethod } from './each-method.js'

/** A program sees EIO and nothing else: so why is written to the log. */
export function withReasons(
  files: RemoteFiles,
  log: (message: string, error: unknown) => void,
): RemoteFiles {
  return eachMethod(files, (name, ask) => (...parameters) => {
    const failed = (error: unknown): never => {
      if (hasCode(error, 'EIO')) log(`${name} ${spelled(parameters[0])} failed`, error)
      throw error
    }
    const result = ask(...parameters)
    if (result instanceof Promise) return result.catch(failed)
    return name === 'list' ? pages(result as AsyncIterable<unknown>, failed) : result
  })
}

async function* pages(
  list: AsyncIterable<unknown>,
  failed: (error: unknown) => never,
): AsyncGenerator<unknown> {
  try {
    yield* list
  } catch (error) {
    failed(error)
  }
}

/** An inode's number, or the place of a name. */
function spelled(parameter: unknown): string {
  return typeof parameter === 'object' ? JSON.stringify(parameter) : String(parameter)
}
