import { expect } from 'chai'
import { openDatabase } from '../../../server/database/database.js'
import { fileName } from '../../../server/storage/path.js'
import { openStorage, type SqliteStorage } from '../../../server/storage/sqlite-storage.js'
import { type Origin, overwrite, type Tree } from '../../../server/storage/storage.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

const ATTRIBUTES = { mode: 0o644, uid: 0, gid: 0 }
const OWNER: Origin = { connection: 'owner' }
const OTHER: Origin = { connection: 'other' }
const name = fileName

/** A directory whose names are for one connection to give, until `giveBack`. */
describe('a directory whose names are leased', () => {
  let path: string
  let database: ReturnType<typeof openDatabase>
  let storage: SqliteStorage
  let tree: Tree
  let directory: number
  let file: number
  let asked: number
  let giveBack: () => void

  beforeEach(async () => {
    path = await temporaryDirectory('guard')
    database = openDatabase(':memory:')
    storage = await openStorage({ directory: path, database })
    tree = await storage.tree('somebody')
    const make = (place: number, called: string, type: 'file' | 'directory') =>
      tree.make({ directory: place, name: name(called) }, { type }, ATTRIBUTES, {})
    directory = (await make(tree.root, 'leased', 'directory')).ino
    file = (await make(tree.root, 'file', 'file')).ino
    await make(directory, 'there', 'file')
    asked = 0
    let lease: Promise<void> | undefined = new Promise((resolve) => {
      giveBack = () => {
        lease = undefined
        resolve()
      }
    })
    storage.guardNames({
      leased(owner, ino, { connection }) {
        if (owner !== 'somebody' || ino !== directory || connection === 'owner') return undefined
        asked += 1
        return lease
      },
    })
  })
  afterEach(async () => {
    giveBack()
    await storage.close()
    database.close()
    await removeDirectory(path)
  })

  const at = (called: string) => ({ directory, name: name(called) })
  async function put(called: string, origin: Origin, precondition = overwrite) {
    const upload = await tree.upload({ size: 3 })
    await upload.write(
      (async function* () {
        yield Buffer.from('new')
      })(),
    )
    return upload.commit(at(called), {}, precondition, origin)
  }
  const fromRoot = { directory: 0, name: name('file') }

  const COMING: Readonly<Record<string, (origin: Origin) => Promise<unknown>>> = {
    make: (origin) => tree.make(at('new'), { type: 'file' }, ATTRIBUTES, origin),
    mkdir: (origin) => tree.make(at('new'), { type: 'directory' }, ATTRIBUTES, origin),
    symlink: (origin) => tree.make(at('new'), { type: 'symlink', target: 'x' }, ATTRIBUTES, origin),
    link: (origin) => tree.link(file, at('new'), origin),
    rename: (origin) =>
      tree.rename(
        { ...fromRoot, directory: tree.root },
        at('new'),
        { mode: 'noreplace', keep: false, source: overwrite, precondition: overwrite },
        origin,
      ),
    copy: (origin) =>
      tree.copy(
        file,
        at('new'),
        { deep: false, source: overwrite, precondition: overwrite },
        origin,
      ),
    upload: (origin) => put('new', origin),
  }

  for (const [what, come] of Object.entries(COMING)) {
    it(`lets a ${what} of others wait`, async () => {
      let isDone = false
      const coming = come(OTHER).then(() => {
        isDone = true
      })
      while (asked === 0) await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setImmediate(resolve))
      expect(isDone).to.equal(false)
      expect((await tree.list(directory, { limit: 10 })).map((entry) => entry.name)).to.deep.equal([
        'there',
      ])
      giveBack()
      await coming
      await tree.lookup(directory, name('new'))
    })

    it(`lets the ${what} of who has the lease pass`, async () => {
      await come(OWNER)
      await tree.lookup(directory, name('new'))
    })
  }

  it('decides about what has come meanwhile once an upload may come', async () => {
    const coming = put('new', OTHER)
    while (asked === 0) await new Promise((resolve) => setImmediate(resolve))
    const { inode } = await put('new', OWNER)
    giveBack()
    const second = await coming
    expect(second.created).to.equal(false)
    expect(second.inode.ino).to.equal(inode.ino)
  })

  it('lets others remove names and replace contents', async () => {
    expect((await put('there', OTHER)).created).to.equal(false)
    await tree.remove(at('there'), { kind: 'unlink', keep: false, precondition: overwrite }, OTHER)
    expect(asked).to.equal(0)
  })
})
