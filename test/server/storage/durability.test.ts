import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Disk, nodeDisk } from '../../../server/storage/fs.js'
import { fileName as name } from '../../../server/storage/path.js'
import { overwrite, type Tree } from '../../../server/storage/storage.js'
import { put } from './contract.js'
import { temporaryStorage } from './temporary.js'

const at = (tree: Tree, text: string) => ({ directory: tree.root, name: name(text) })

describe('Storage.durable (group commit)', () => {
  it('syncs contents, then folders, then the log, and shares one sync among all who wait', async () => {
    const calls: string[] = []
    const paths = new Map<number, string>()
    const disk: Disk = {
      ...nodeDisk,
      open: (path, flags) => {
        const fd = nodeDisk.open(path, flags)
        paths.set(fd, path)
        return fd
      },
      fdatasync: async (fd) => {
        calls.push(paths.get(fd)?.endsWith('-wal') ? 'log' : 'content')
        await nodeDisk.fdatasync(fd)
      },
      syncFolder: async (path) => {
        calls.push('folder')
        await nodeDisk.syncFolder(path)
      },
    }
    const subject = await temporaryStorage({ disk })
    try {
      const { storage } = subject
      const tree = await storage.tree('ann')
      const { ino } = await put(tree, at(tree, 'f'), 'x')
      await storage.durable()
      expect([...new Set(calls)]).to.deep.equal(['content', 'folder', 'log'])
      calls.length = 0
      await Promise.all(Array.from({ length: 50 }, () => storage.durable()))
      expect(calls.length).to.be.within(1, 2)
      calls.length = 0
      await storage.durable(ino)
      expect(calls).to.deep.equal(['content', 'log'])
    } finally {
      await subject.close()
    }
  })
})

describe('the write-ahead log', () => {
  it('is written back in a thread of its own', async () => {
    const subject = await temporaryStorage()
    try {
      const tree = await subject.storage.tree('ann')
      const { ino } = await put(tree, at(tree, 'f'), 'x')
      const file = join(subject.directory, 'coffer.db')
      const pages = () => Number(subject.database.pragma('page_count', { simple: true }))
      const attributes = { mode: 0o644, uid: 0, gid: 0 }
      for (let count = 0; count < 300; count += 1) {
        const name = at(tree, `${'n'.repeat(200)}${count}`)
        await tree.make(name, { type: 'fifo' }, attributes, {})
      }
      // Its own connection would do it only after 16,384 pages.
      const page = Number(subject.database.pragma('page_size', { simple: true }))
      while ((await stat(file)).size < (pages() - 20) * page) {
        await tree.setAttributes(ino, { mtime: 'now' }, overwrite, {})
      }
      expect(pages()).to.be.below(15_000)
    } finally {
      await subject.close()
    }
  }).timeout(30_000)
})
