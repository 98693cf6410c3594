import { once } from 'node:events'
import { statSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import { type Database, openDatabase } from '../../../../server/database/database.js'
import { groupCommitOf } from '../../../../server/database/group-commit.js'
import { Checkpoints } from '../../../../server/storage/parts/checkpoint.js'
import { removeDirectory, temporaryDirectory } from '../../../support/directory.js'

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

  describe('while somebody commits all the time', () => {
    let directory: string
    let database: Database
    let checkpoints: Checkpoints
    let commit: () => void
    beforeEach(async () => {
      directory = await temporaryDirectory('checkpoint')
      database = openDatabase(join(directory, 'coffer.db'))
      checkpoints = new Checkpoints(database)
      database.exec('CREATE TABLE t (n, content); INSERT INTO t (n) VALUES (0)')
      const change = database.prepare('UPDATE t SET n = n + 1, content = randomblob(32000)')
      commit = () => {
        change.run()
        checkpoints.committed()
      }
    })
    afterEach(async () => {
      await checkpoints.close()
      database.close()
      await removeDirectory(directory)
    })

    /** Commits until changes have to wait, and answers for what. */
    async function untilPause(): Promise<{ pause: Promise<void> }> {
      for (;;) {
        const pause = checkpoints.pause()
        if (pause !== undefined) return { pause }
        commit()
        await setImmediate()
      }
    }

    /** How often the log was begun anew: the "checkpoint sequence number" in its header. */
    async function beginnings(): Promise<number> {
      const file = await open(`${database.name}-wal`)
      const { buffer } = await file.read(Buffer.alloc(32), 0, 32, 0)
      await file.close()
      return buffer.readUInt32BE(12)
    }

    it('begins the log anew, which would grow, again and again', async () => {
      for (let count = 0; count < 2; count++) {
        const before = await beginnings()
        const { pause } = await untilPause()
        await pause
        expect(await beginnings()).to.be.above(before)
      }
    })

    it('begins it anew although somebody did not wait', async () => {
      const before = await beginnings()
      const { pause } = await untilPause()
      commit()
      const own = database.prepare('SELECT n FROM t').pluck().get()
      await pause
      expect(await beginnings()).to.be.above(before)
      expect(database.prepare('SELECT n FROM t').pluck().get()).to.equal(own)
    })

    it('lets what the authorization server changes wait, and counts it', async () => {
      const commits = groupCommitOf(database)
      const change = database.prepare('UPDATE t SET n = n + 1, content = randomblob(32000)')
      const changes: Promise<unknown>[] = []
      let pause = checkpoints.pause()
      for (let count = 0; pause === undefined && count < 10_000; count++) {
        changes.push(commits.run(() => change.run()))
        await setImmediate()
        pause = checkpoints.pause()
      }
      let isOver = false
      const over = pause?.then(() => {
        isOver = true
      })
      expect(over, 'there was no pause').to.not.equal(undefined)
      expect(await commits.read(() => isOver)).to.equal(false)
      expect(await commits.run(() => isOver)).to.equal(true)
      await Promise.all([over, ...changes])
    })

    it('bounds the log although the thread is not done with the last of it, and makes it short again', async () => {
      const pages = () => statSync(`${database.name}-wal`).size / 4120
      const before = await beginnings()
      // In one turn of the event loop: what the thread says is not heard.
      for (let count = 0; checkpoints.pause() === undefined && count < 3_000; count++) commit()
      const pause = checkpoints.pause()
      expect(pages()).to.be.within(12_000, 12_500)
      await pause
      expect(checkpoints.pause()).to.equal(undefined)
      expect(await beginnings()).to.be.above(before)
      expect(pages()).to.be.at.most(4_000)
    })

    it('waits for nobody who reads what is older', async () => {
      commit()
      const reader = openDatabase(database.name)
      reader.exec('BEGIN; SELECT n FROM t')
      const before = await beginnings()
      const { pause } = await untilPause()
      await pause
      expect(await beginnings()).to.equal(before)
      reader.close()
      const next = await untilPause()
      await next.pause
      expect(await beginnings()).to.be.above(before)
    })
  })
})
