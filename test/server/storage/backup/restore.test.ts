import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { backup } from '../../../../server/storage/backup/backup.js'
import { restore } from '../../../../server/storage/backup/restore.js'
import { backupContentPath } from '../../../../server/storage/backup/set.js'
import { fileName as name } from '../../../../server/storage/path.js'
import { overwrite } from '../../../../server/storage/storage.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'
import { put, read } from '../contract.js'
import { temporaryStorage } from '../temporary.js'

describe('restore', () => {
  it('is of one moment, although the next backup is made meanwhile', async () => {
    const subject = await temporaryStorage()
    const parent = await temporaryDirectory('restore')
    const [to, restored] = [join(parent, 'backup'), join(parent, 'restored')]
    const now = () => new Date()
    const { directory, database, storage } = subject
    const make = () => backup({ directory, database, to, also: [], clock: now })
    const tree = await storage.tree('ann')
    const at = (text: string) => ({ directory: tree.root, name: name(text) })
    const first = await put(tree, at('first'), 'before')
    const last = await put(tree, at('last'), 'awaited')
    await make()

    // It comes to the last content only when somebody writes to this.
    const content = backupContentPath(to, last.generation, last.version)
    await rename(content, join(parent, 'kept'))
    execFileSync('mkfifo', [content])
    const restoring = restore(to, restored, now)
    const writer = await open(content, 'w')
    await rename(join(parent, 'kept'), content)
    await tree.write(first.ino, [{ offset: 0, data: Buffer.from('after!') }], overwrite, {})
    const attributes = { mode: 0o755, uid: 0, gid: 0 }
    await tree.make(at('later'), { type: 'directory' }, attributes, {})
    await make()
    await writer.write('awaited')
    await writer.close()
    await restoring

    const again = await temporaryStorage({ directory: restored })
    const then = await again.storage.tree('ann')
    expect(await read(then, first.ino)).to.equal('before')
    const later = then.lookup(then.root, name('later')).catch(({ code }) => code)
    expect(await later).to.equal('ENOENT')
    await again.close()
    await subject.close()
    await removeDirectory(parent)
  })

  it('says so where the next backup has removed what it was to copy', async () => {
    const { directory, database, storage, close } = await temporaryStorage()
    const parent = await temporaryDirectory('overtaken')
    const [to, restored] = [join(parent, 'backup'), join(parent, 'restored')]
    const now = () => new Date()
    const make = () => backup({ directory, database, to, also: [], clock: now })
    const tree = await storage.tree('ann')
    const at = (text: string) => ({ directory: tree.root, name: name(text) })
    const first = await put(tree, at('first'), 'awaited')
    await put(tree, at('last'), 'removed')
    await make()

    // It comes further only when somebody writes to this.
    const content = backupContentPath(to, first.generation, first.version)
    await rename(content, join(parent, 'kept'))
    execFileSync('mkfifo', [content])
    const restoring = restore(to, restored, now).catch(({ message }) => message)
    const writer = await open(content, 'w')
    await rename(join(parent, 'kept'), content)
    await tree.remove(at('last'), { kind: 'unlink', keep: false, precondition: overwrite }, {})
    await make()
    await writer.write('awaited')
    await writer.close()
    expect(await restoring).to.include('another backup was made in')
    expect(existsSync(restored)).to.equal(false)

    await restore(to, restored, now)
    const again = await temporaryStorage({ directory: restored })
    expect(await read(await again.storage.tree('ann'), first.ino)).to.equal('awaited')
    await again.close()
    await close()
    await removeDirectory(parent)
  })
})
