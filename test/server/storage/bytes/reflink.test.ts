import { randomBytes } from 'node:crypto'
import { mkdir, statfs, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { fileName } from '../../../../server/storage/path.js'
import { overwrite, type Tree } from '../../../../server/storage/storage.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'
import { run } from '../../../support/process.js'
import { reflinkFileSystem, requires } from '../../../support/requires.js'
import { put } from '../contract.js'
import { type TemporaryStorage, temporaryStorage } from '../temporary.js'

const MIB = 2 ** 20
/** The least that mkfs.xfs and mkfs.btrfs both take; a sparse file. */
const IMAGE_BYTES = 512 * MIB
const LARGE_BYTES = 64 * MIB

/** On an image of a file system that can share extents (ioctl_ficlone(2)), mounted for this test. */
describe('a copy on a file system with reflinks', () => {
  let directory = ''
  let mounted = ''
  let subject: TemporaryStorage
  let tree: Tree

  before(async function () {
    this.timeout(60_000)
    requires(this, 'root', 'reflinks')
    directory = await temporaryDirectory('reflink')
    const image = join(directory, 'image')
    await writeFile(image, '')
    await truncate(image, IMAGE_BYTES)
    await run(reflinkFileSystem() ?? '', ['-q', '-f', image])
    const point = join(directory, 'mounted')
    await mkdir(point)
    await run('mount', ['-o', 'loop', image, point])
    mounted = point
    subject = await temporaryStorage({ directory: point })
    tree = await subject.storage.tree('ann')
  })
  after(async () => {
    await subject?.close()
    if (mounted !== '') await run('umount', [mounted])
    if (directory !== '') await removeDirectory(directory)
  })

  const at = (name: string) => ({ directory: tree.root, name: fileName(name) })
  const how = { deep: false, source: overwrite, precondition: overwrite }

  /** Bytes that work takes on the disk, once all of it is there. */
  async function taken(work: () => Promise<unknown>): Promise<number> {
    const free = async () => {
      await run('sync', ['-f', mounted])
      const { bsize, bfree } = await statfs(mounted)
      return bsize * bfree
    }
    const before = await free()
    await work()
    return before - (await free())
  }

  it('takes no room, and parts from the original with the first write', async () => {
    const data = randomBytes(LARGE_BYTES)
    const upload = await tree.upload({ size: data.length })
    await upload.write(
      (async function* () {
        yield data
      })(),
    )
    const { inode } = await upload.commit(at('f'), {}, overwrite, {})
    let copy = 0
    const room = await taken(async () => {
      copy = (await tree.copy(inode.ino, at('g'), how, {})).inode.ino
    })
    expect(room / MIB, 'MiB').to.be.below(8)
    await tree.write(inode.ino, [{ offset: 5, data: Buffer.from('changed') }], overwrite, {})
    const content = await tree.open(copy)
    for (let position = 0; position < data.length; position += MIB) {
      const piece = await content.read(position, MIB)
      expect(piece.equals(data.subarray(position, position + MIB)), `at ${position}`).to.equal(true)
    }
    await content.close()
    expect(await subject.problems()).to.deep.equal([])
  }).timeout(60_000)

  it('keeps its holes', async () => {
    const { ino } = await put(tree, at('sparse'), 'begin')
    await tree.write(ino, [{ offset: 4_000_000_000, data: Buffer.from('end') }], overwrite, {})
    const room = await taken(() => tree.copy(ino, at('copy'), how, {}))
    expect(room / MIB, 'MiB').to.be.below(8)
  })
})
