import type { RemoteFiles } from '../remote/remote-files.js'
import type { WriteBack } from './write-back.js'

type AfterSending = Pick<
  RemoteFiles,
  | 'make'
  | 'makeNameless'
  | 'link'
  | 'rename'
  | 'zero'
  | 'copyRange'
  | 'setXattr'
  | 'removeXattr'
  | 'locks'
>

/** What is done on the server at once, after what waits of the files and names it is about. */
export function afterSending(files: RemoteFiles, writeBack: WriteBack): AfterSending {
  const { unsent } = writeBack
  const saw = writeBack.saw.bind(writeBack)
  const { locks } = files
  return {
    async make(directory, name, what, attributes) {
      await writeBack.sentAt({ directory, name })
      return saw(await files.make(directory, name, what, attributes), { directory, name })
    },
    async makeNameless(directory, attributes) {
      await writeBack.sent(directory)
      return saw(await files.makeNameless(directory, attributes))
    },
    async link(ino, directory, name) {
      await writeBack.sentAt({ directory, name })
      if (unsent.of(ino)?.isUnborn === true) await writeBack.sent(ino)
      return saw(await files.link(ino, directory, name))
    },
    async rename(from, to, options) {
      await Promise.all([writeBack.sentAt(from), writeBack.sentAt(to)])
      const moved = await files.rename(from, to, options)
      const file = unsent.named(from)
      if (file !== undefined && file.ino === moved?.ino) unsent.move(file, to)
      return moved === undefined ? moved : saw(moved, to)
    },

    async zero(ino, range) {
      await writeBack.sent(ino)
      return saw(await files.zero(ino, range))
    },
    async copyRange(from, to, length) {
      await Promise.all([writeBack.sent(from.ino), writeBack.sent(to.ino)])
      const copy = await files.copyRange(from, to, length)
      return { ...copy, attributes: saw(copy.attributes) }
    },
    async setXattr(ino, name, value, mode) {
      await writeBack.sent(ino)
      return files.setXattr(ino, name, value, mode)
    },
    async removeXattr(ino, name) {
      await writeBack.sent(ino)
      return files.removeXattr(ino, name)
    },

    // What was written under a lock must be there for whoever has it next.
    ...(locks === undefined
      ? {}
      : {
          locks: {
            ...locks,
            async unlock(ino, range) {
              await writeBack.sent(ino)
              await locks.unlock(ino, range)
            },
            async giveBack(ino, held) {
              await writeBack.sent(ino)
              await locks.giveBack(ino, held)
            },
          },
        }),
  }
}
