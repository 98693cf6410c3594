import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '../../../server/database/database.js'
import { openStorage } from '../../../server/storage/engine.js'
import { contract } from './contract.js'

contract('SQLite and a content folder', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'coffer-storage-'))
  const database = openDatabase(join(directory, 'coffer.db'))
  const clock = { date: new Date('2026-01-02T03:04:05.678Z') }
  const storage = await openStorage({ directory, database, clock: () => clock.date })
  return {
    storage,
    clock,
    close: async () => {
      await storage.close()
      database.close()
      await rm(directory, { recursive: true })
    },
  }
})
