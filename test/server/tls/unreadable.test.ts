import { symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { keepCertificate } from '../../../server/tls/context.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

describe('a certificate whose file cannot be looked at, as on a disk that has failed', () => {
  it('stays as it is served, and the owner is told', async () => {
    const directory = await temporaryDirectory('certificate')
    const file = join(directory, 'server.pem')
    await writeFile(file, '')
    let told = (_kind: string) => {}
    const report = new Promise<string>((resolve) => {
      told = resolve
    })
    const keeper = keepCertificate({
      load: () => Promise.reject(new Error('unreadable')),
      apply: () => told('applied'),
      files: [file],
      report: ({ kind }) => told(kind),
      watchEveryMs: 1,
    })
    // what holds the process while the timer does not
    const held = setInterval(() => {}, 1_000)
    try {
      await unlink(file)
      await symlink('server.pem', file)
      expect(await report).to.equal('failed')
      await keeper.reload()
    } finally {
      clearInterval(held)
      keeper.stop()
      await removeDirectory(directory)
    }
  })
})
