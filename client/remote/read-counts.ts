import type { RemoteContent, RemoteFiles } from './remote-files.js'

/** What programs read, and where it came from: what neither the disk nor the server gave meanwhile was in memory. */
export interface ReadCounts {
  readonly served: { reads: number; bytes: number }
  readonly disk: { blocks: number; bytes: number }
  readonly network: { reads: number; bytes: number }
}

export function noReads(): ReadCounts {
  return {
    served: { reads: 0, bytes: 0 },
    disk: { blocks: 0, bytes: 0 },
    network: { reads: 0, bytes: 0 },
  }
}

/** Counts what comes from the server. */
export function counted(files: RemoteFiles, { network }: ReadCounts): RemoteFiles {
  const count = (content: RemoteContent | undefined) => {
    network.bytes += content?.data.length ?? 0
  }
  const { readAll } = files
  return {
    ...files,
    async read(ino, offset, length, signal) {
      network.reads += 1
      const content = await files.read(ino, offset, length, signal)
      count(content)
      return content
    },
    ...(readAll === undefined
      ? {}
      : {
          async readAll(inos, bytes) {
            network.reads += 1
            const contents = await readAll(inos, bytes)
            contents.forEach(count)
            return contents
          },
        }),
  }
}
