import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  type ConnectionRecord,
  ConnectionRecords,
} from '../../../client/mount/connection-records.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

describe('what mounts leave for the next one', () => {
  let state: string
  let records: ConnectionRecords
  beforeEach(async () => {
    state = await temporaryDirectory('records')
    records = new ConnectionRecords(state)
  })
  afterEach(() => removeDirectory(state))

  const record = (secret: string): ConnectionRecord => {
    const process = { kernel: 'k', pid: 1, started: '2' }
    return { account: 'a', secret, process, journals: [] }
  }

  it('is there until it is removed', async () => {
    await records.add(record('one'))
    await records.add(record('two'))
    await records.remove(record('one'))
    expect(await records.all()).to.deep.equal([record('two')])
  })

  it('is for nobody else to read, and has no secret in a name', async () => {
    await records.add(record('one'))
    const directory = join(state, 'connections')
    const [name = ''] = await readdir(directory)
    expect(name).to.not.include('one')
    expect((await stat(directory)).mode & 0o777).to.equal(0o700)
    expect((await stat(join(directory, name))).mode & 0o777).to.equal(0o600)
  })

  it('is no more than a hundred files: the oldest go', async () => {
    for (let index = 0; index <= 101; index++) await records.add(record(`secret-${index}`))
    const left = (await records.all()).map(({ secret }) => secret)
    expect(left).to.have.length(100).and.include('secret-101')
    expect(left).to.not.include('secret-0')
  })
})
