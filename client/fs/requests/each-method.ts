import type { RemoteFiles } from '../../remote/remote-files.js'

/** A method of RemoteFiles, whichever. */
export type Ask = (...parameters: unknown[]) => unknown

/**
 * The same files with other methods. These are made once, not for each operation as by a Proxy.
 * @param instead what stands in place of a method, which `ask` calls; undefined where it stays
 */
export function eachMethod(
  files: RemoteFiles,
  instead: (name: string, ask: Ask) => Ask | undefined,
): RemoteFiles {
  const methods: Record<string, unknown> = { ...files }
  for (const [name, method] of Object.entries(methods)) {
    if (typeof method !== 'function') continue
    const ask: Ask = (...parameters) => Reflect.apply(Reflect.get(files, name), files, parameters)
    methods[name] = instead(name, ask) ?? method
  }
  return methods as unknown as RemoteFiles
}
