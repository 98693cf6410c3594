import { statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { makeDirectory } from '../../../../server/storage/disk/make-directory.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'

describe('makeDirectory', () => {
  let parent: string
  beforeEach(async () => {
    parent = await temporaryDirectory('make-directory')
  })
  afterEach(() => removeDirectory(parent))

  it('makes what is missing above, with the same mode', () => {
    makeDirectory(join(parent, 'a', 'b', 'c/'), 0o700)
    for (const path of ['a', 'a/b', 'a/b/c']) {
      expect(statSync(join(parent, path)).mode & 0o777, path).to.equal(0o700)
    }
  })

  it('leaves a directory that is there, also where a link leads to it', () => {
    symlinkSync('.', join(parent, 'link'))
    makeDirectory(join(parent, 'link'))
    makeDirectory('/')
  })

  it('does not take another file for one', () => {
    writeFileSync(join(parent, 'file'), '')
    expect(() => makeDirectory(join(parent, 'file'))).to.throw('is no directory')
    expect(() => makeDirectory(join(parent, 'file', 'below'))).to.throw(/ENOTDIR/)
  })

  it('gives up where nothing can be made', () => {
    for (const path of ['/proc/nothing', '/proc/nothing/below']) {
      expect(() => makeDirectory(path), path).to.throw(/ENOENT|EACCES|EPERM/)
    }
  })
})
