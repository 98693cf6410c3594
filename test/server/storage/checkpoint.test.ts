import { once } from 'node:events'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { openDatabase } from '../../../server/database/database.js'
import { Checkpoints } from '../../../server/storage/checkpoint.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

describe('the thread that writes the log back', () => {
  it('keeps nobody from stopping when it has failed', async () => {
    const directory = await temporaryDirectory('checkpoint')
    const database = openDatabase(join(directory, 'coffer.db'))
    const checkpoints = new Checkpoints(database)
    const moved = `${directory}-moved`
    await rename(directory, moved) // the thread cannot open it
    const started = once(process, 'worker')
    checkpoints.committed(1000)
    const [thread] = await started
    await new Promise((resolve) => thread.once('exit', resolve))
    await checkpoints.close()
    database.prepare('CREATE TABLE t (n)').run()
    expect(database.prepare('SELECT count(*) AS n FROM t').get()).to.deep.equal({ n: 0 })
    database.close()
    await removeDirectory(moved)
  })
})
