import type { WireAttributeChanges, WireAttributes, WireEntry } from '../../server/wire/inodes.js'
import { isAtHand } from '../http/upload-content.js'
import { orRemembered } from '../or-remembered.js'
import type { RemoteFiles, RemovalOutcome } from '../remote/remote-files.js'
import { RemoteError } from '../remote-error.js'
import { afterSending } from './after-sending.js'
import { markedTime } from './clock.js'
import type { Place } from './record.js'
import type { UnsentFile } from './unsent-file.js'
import type { WriteBack } from './write-back.js'

/**
 * The remote files with what is written here and not yet there laid over them. What is written goes to the journal; names
 * are changed on the server, after what waits of them.
 */
export function journaledFiles(files: RemoteFiles, writeBack: WriteBack): RemoteFiles {
  const { unsent, news, sender, removedHere } = writeBack
  const saw = writeBack.saw.bind(writeBack)

  /** Unlinks what was never sent, without the server. @returns undefined if the server knows it by now */
  async function unlinkedHere(place: Place, keep: boolean): Promise<WireAttributes | undefined> {
    const file = unsent.at(place)
    if (file?.isSending === true) await sender.sent(file)
    if (file === undefined || !file.isUnborn || file.isSending) return undefined
    removedHere.unname(file)
    file.shown = { ...file.shown, nlink: 0, ctime: markedTime() }
    if (!keep) removedHere.cancel(file)
    return file.shown
  }

  const { made, removeAll, readAll } = files
  const shown: RemoteFiles = {
    ...files,
    ...afterSending(files, writeBack),
    journals: writeBack.keepsNew,
    // What is unsent goes a way of its own.
    keepsOrder: false,
    isAway: () => writeBack.isAway,
    sent: (ino) => writeBack.sent(ino),

    async root(signal) {
      return saw(await files.root(signal))
    },
    async stat(ino, signal) {
      const file = unsent.of(ino)
      if (file !== undefined) return file.shown
      const remembered = () => (writeBack.isAway ? writeBack.lastSeen(ino) : undefined)
      return remembered() ?? orRemembered(files.stat(ino, signal).then(saw), remembered)
    },
    async lookup(directory, name, signal) {
      const file = unsent.at({ directory, name })
      if (file !== undefined) return file.shown
      return saw(await files.lookup(directory, name, signal), { directory, name })
    },
    async *list(directory, signal, after): AsyncIterable<readonly WireEntry[]> {
      const here = [...unsent.in(directory)]
        .map(([name, file]) => ({ ...file.shown, name }))
        .filter(({ name }) => after === undefined || inOrder(after, name))
        .sort((a, b) => (inOrder(a.name, b.name) ? -1 : 1))
      for await (const page of files.list(directory, signal, after)) {
        const entries = page.map((entry) => ({
          ...saw(entry, { directory, name: entry.name }),
          name: entry.name,
        }))
        const last = entries.at(-1)?.name
        const upTo = here.findIndex(({ name }) => last === undefined || inOrder(last, name))
        const before = here.splice(0, upTo < 0 ? here.length : upTo)
        yield last === undefined ? entries : merged(entries, before)
      }
      if (here.length > 0) yield here
    },
    async read(ino, offset, length, signal) {
      const file = unsent.of(ino)
      if (file === undefined) {
        const content = await files.read(ino, offset, length, signal)
        return { ...content, attributes: saw(content.attributes) }
      }
      const fetch = async (from: number, bytes: number) =>
        (await files.read(file.target, from, bytes, signal)).data
      return { data: await file.read(offset, length, fetch), attributes: file.shown }
    },

    async write(ino, parts, options) {
      const some = parts.filter(({ data }) => data.length > 0)
      const isKept = writeBack.keepsNew && options?.ifMatch === undefined
      if (!isKept || (some.length === 0 && options?.attributes === undefined)) {
        await writeBack.sent(ino)
        return saw(await files.write(ino, parts, options))
      }
      const change = (id: number, file: UnsentFile) => ({
        kind: 'write' as const,
        id,
        ino,
        ...placeOf(file),
        parts: some.map(({ offset, data }) => ({ offset, length: data.length })),
        changes: { mtime: markedTime(), ...fixed(options?.attributes ?? {}) },
        before: file.shown,
      })
      const content = some.map(({ data }) => data)
      const kept = await writeBack.keep(ino, change, content)
      if (options?.durability === 'process') return kept
      await shown.sync(ino)
      return shown.stat(ino)
    },
    async seek(ino, offset, what, signal) {
      await writeBack.sent(ino)
      return files.seek(ino, offset, what, signal)
    },
    async setAttributes(ino, changes, options) {
      if (!writeBack.keepsNew || options?.ifMatch !== undefined) {
        await writeBack.sent(ino)
        return saw(await files.setAttributes(ino, changes, options))
      }
      const times = changes.size === undefined ? {} : { mtime: markedTime() }
      const change = (id: number, file: UnsentFile) => ({
        kind: 'attributes' as const,
        id,
        ino,
        ...placeOf(file),
        changes: { ...times, ...fixed(changes) },
        before: file.shown,
      })
      return writeBack.keep(ino, change, [])
    },
    async put(directory, name, content, options) {
      const { ino, mode } = options
      const isKept = writeBack.keepsNew && options.durability === 'process' && mode === 'create'
      if (!isKept || ino === undefined || !isAtHand(content)) {
        await writeBack.sentAt({ directory, name })
        return saw(await files.put(directory, name, content, options), { directory, name })
      }
      const place = { directory, name }
      if (unsent.at(place) !== undefined) throw new RemoteError('EEXIST', `"${name}" exists`)
      const now = markedTime()
      const { attributes } = options
      const given = {
        mode: attributes.mode ?? 0o644,
        uid: attributes.uid ?? 0,
        gid: attributes.gid ?? 0,
        atime: attributes.atime ?? now,
        mtime: attributes.mtime ?? now,
      }
      const birth = { kind: 'birth' as const, ino, place, attributes: given }
      return writeBack.bear(birth, content)
    },

    async remove(directory, name, kind, { keep }) {
      const place = { directory, name }
      const here = kind === 'unlink' ? await unlinkedHere(place, keep) : undefined
      if (here !== undefined) return here
      await writeBack.sent(directory)
      if (kind === 'rmdir') await removedHere.kept()
      if (kind === 'rmdir' && !unsent.isEmpty) {
        const { ino } = await files.lookup(directory, name)
        if (unsent.in(ino).size > 0) throw new RemoteError('ENOTEMPTY', `"${name}" is not empty`)
      }
      return removedHere.removing(async () => {
        const left = await files.remove(directory, name, kind, { keep })
        const file = left?.nlink === 0 ? unsent.of(left.ino) : undefined
        if (file !== undefined) {
          removedHere.unname(file)
          if (!keep) removedHere.cancel(file)
          await removedHere.kept()
        }
        return left === undefined ? left : saw(left)
      })
    },
    async release(ino) {
      const file = unsent.of(ino)
      const wasUnborn = file?.isUnborn === true
      if (file !== undefined) removedHere.cancel(file)
      if (!wasUnborn) await files.release(ino)
    },
    async getXattr(ino, name) {
      if (unsent.of(ino)?.isUnborn === true) throw new RemoteError('ENODATA', 'it has none')
      return files.getXattr(ino, name)
    },
    async listXattrs(ino) {
      return unsent.of(ino)?.isUnborn === true ? [] : files.listXattrs(ino)
    },
    async sync(ino) {
      await writeBack.sentIn(ino)
      if (unsent.of(ino)?.isOnlyHere !== true) await files.sync(ino)
    },
    changes: (signal) => news.over(files.changes?.(signal), signal),
    ...(made === undefined
      ? {}
      : {
          async made(ino, change) {
            const now = await made(ino, change)
            if (now !== undefined) saw(now)
            return now
          },
        }),
    ...(readAll === undefined
      ? {}
      : {
          async readAll(inos, bytes) {
            const there = inos.filter((ino) => unsent.of(ino) === undefined)
            const contents = await readAll(there, bytes)
            const found = new Map(there.map((ino, index) => [ino, contents[index]]))
            return inos.map((ino) => found.get(ino))
          },
        }),
    ...(removeAll === undefined
      ? {}
      : {
          async removeAll(removals) {
            if (unsent.isEmpty) return removeAll(removals)
            const outcomes: RemovalOutcome[] = []
            for (const { directory, name, kind } of removals) {
              const removed = shown.remove(directory, name, kind, { keep: false })
              outcomes.push(...(await Promise.allSettled([removed])))
            }
            return outcomes
          },
        }),
  }
  return shown
}

function placeOf({ place }: UnsentFile): { place?: Place } {
  return place === undefined ? {} : { place }
}

/** The server's order: by the bytes of the names. */
function inOrder(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0
}

/** Both are in order; what has come to the server meanwhile is told once. */
function merged(entries: readonly WireEntry[], here: readonly WireEntry[]): WireEntry[] {
  const names = new Set(entries.map(({ name }) => name))
  const all = [...entries, ...here.filter(({ name }) => !names.has(name))]
  return here.length === 0 ? all : all.sort((a, b) => (inOrder(a.name, b.name) ? -1 : 1))
}

/** Attributes whose meaning does not change with the time they are sent. */
function fixed(changes: WireAttributeChanges): Omit<
  WireAttributeChanges,
  'permissions' | 'atime' | 'mtime'
> & {
  atime?: string
  mtime?: string
} {
  const { permissions: _, atime, mtime, ...rest } = changes
  const time = (given: string) => (given === 'now' ? markedTime() : given)
  return {
    ...rest,
    ...(atime === undefined ? {} : { atime: time(atime) }),
    ...(mtime === undefined ? {} : { mtime: time(mtime) }),
  }
}
