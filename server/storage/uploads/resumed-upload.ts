import type { UploadRow } from '../../database/files/uploads.js'
import { bytesOf } from '../inodes/links.js'
import type { Engine, TreeId } from '../parts/engine.js'
import type { ResumableUpload } from '../storage.js'
import { contentOf, resumed } from './resumable.js'
import { FileUpload } from './upload.js'

/** Goes on with an upload, where what is on the disk ends. */
export function resumeUpload(engine: Engine, tree: TreeId, row: UploadRow): ResumableUpload {
  const { id, finished } = row
  const upload = finished === null ? partOf(engine, tree, row) : undefined
  const busy = async <T>(work: () => Promise<T>): Promise<T> => {
    // the sweep leaves alone what a request is at
    engine.uploading.add(id)
    try {
      return await work()
    } finally {
      engine.uploading.delete(id)
    }
  }
  return {
    id,
    length: row.length,
    details: row.details,
    expires: new Date(row.expires * 1000),
    finished: finished ?? undefined,
    get size() {
      return upload?.size ?? row.length
    },
    write: (source) => busy(async () => upload?.write(source)),
    content: () => contentOf(engine, row.generation, upload?.size ?? 0),
    skip: (bytes) => busy(async () => upload?.skip(bytes)),
    commit: (...parameters) =>
      busy(async () => {
        if (upload === undefined) throw new Error('the upload is finished')
        return upload.commit(...parameters)
      }),
    async abort() {
      engine.sql.deleteUpload.run(id)
      await upload?.abort()
    },
    async extend(expires) {
      engine.sql.touchUpload.run(Math.ceil(expires.getTime() / 1000), id)
    },
  }
}

function partOf(engine: Engine, tree: TreeId, row: UploadRow): FileUpload {
  return new FileUpload(engine, tree, {
    resumed: resumed(engine, row, replaced(engine, tree, row)),
  })
}

/** Bytes that go when the upload is finished, if what it replaces is still there. */
function replaced(engine: Engine, tree: TreeId, { replaces }: UploadRow): number {
  const row = replaces === null ? undefined : engine.sql.inode.get(replaces)
  return row?.tree === tree.id ? bytesOf(row) : 0
}
