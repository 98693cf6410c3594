import { open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { backup } from '../../../../server/storage/backup/backup.js'
import { restore } from '../../../../server/storage/backup/restore.js'
import { contentPath } from '../../../../server/storage/disk/content-path.js'
import { type Disk, nodeDisk } from '../../../../server/storage/disk/disk.js'
import { fileName as name } from '../../../../server/storage/path.js'
import { overwrite } from '../../../../server/storage/storage.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'
import { put, read } from '../contract.js'
import { temporaryStorage } from '../temporary.js'

describe('a backup that is broken off', () => {
  it('leaves the one before whole, although a write is under way at both', async () => {
    const parent = await temporaryDirectory('broken-off')
    const [to, restored] = [join(parent, 'backup'), join(parent, 'restored')]
    let isPausing = false
    let resume: (() => void) | undefined
    const disk: Disk = {
      ...nodeDisk,
      write: async (fd, data, position) => {
        await nodeDisk.write(fd, data, position)
        if (!isPausing) return
        await new Promise<void>((resolve) => {
          resume = resolve
        })
      },
    }
    const paused = async (): Promise<() => void> => {
      while (resume === undefined) await new Promise((resolve) => setImmediate(resolve))
      const found = resume
      resume = undefined
      return found
    }
    const { storage, directory, database, close } = await temporaryStorage({ disk })
    const make = () => backup({ directory, database, to, also: [], clock: () => new Date() })
    const tree = await storage.tree('ann')
    const at = (text: string) => ({ directory: tree.root, name: name(text) })
    const { ino } = await put(tree, at('f'), 'a'.repeat(300_000))

    isPausing = true
    const parts = [
      { offset: 0, data: Buffer.alloc(100_000, 'b') },
      { offset: 150_000, data: Buffer.alloc(100_000, 'c') },
    ]
    const writing = tree.write(ino, parts, overwrite, {})
    const goOn = await paused()
    await make()
    goOn()
    const end = await paused()
    isPausing = false
    const lost = await put(tree, at('lost'), 'l'.repeat(200_000))
    await rm(contentPath(join(directory, 'content'), lost.generation))
    const broken = await make().catch(({ message }) => message)
    expect(broken).to.include('ENOENT')
    end()
    await writing
    await close()

    await restore(to, restored, () => new Date())
    const again = await temporaryStorage({ directory: restored })
    expect(await read(await again.storage.tree('ann'), ino)).to.equal('a'.repeat(300_000))
    await again.close()
    await removeDirectory(parent)
  })

  it('leaves the files of the server in the one before whole until it has them', async () => {
    const parent = await temporaryDirectory('files-of-server')
    const to = join(parent, 'backup')
    const { directory, database, close } = await temporaryStorage()
    const clock = () => new Date()
    const make = () => backup({ directory, database, to, also: ['secret'], clock })
    await writeFile(join(directory, 'secret'), 'one secret')
    await make()
    const kept = await open(join(to, 'files', 'secret'))
    const { ino } = await kept.stat()
    await make()
    expect(await stat(join(to, 'files', 'secret'))).to.include({ ino })
    await writeFile(join(directory, 'secret'), 'another secret')
    await make()
    expect(await kept.readFile('utf8')).to.equal('one secret')
    expect(await readFile(join(to, 'files', 'secret'), 'utf8')).to.equal('another secret')
    expect(await readdir(join(to, 'files'))).to.deep.equal(['secret'])
    await kept.close()
    await close()
    await removeDirectory(parent)
  })
})
