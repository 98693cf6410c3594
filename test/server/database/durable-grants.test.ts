import { join } from 'node:path'
import { expect } from 'chai'
import type { Digest, Store } from '../../../oauth/index.js'
import { digestOf, randomSecret } from '../../../oauth/secrets.js'
import { openBesideServer } from '../../../server/data-directory.js'
import { userTable } from '../../../server/database/accounts/accounts.js'
import { sessionTable } from '../../../server/database/accounts/sessions.js'
import { type Database, openDatabase } from '../../../server/database/database.js'
import { oauthStore } from '../../../server/database/oauth/store.js'
import { type Disk, nodeDisk } from '../../../server/storage/disk/disk.js'
import { openStorage } from '../../../server/storage/sqlite-storage.js'
import {
  client,
  device,
  MINUTE,
  NOW,
  newGrant,
  redemption,
  rotation,
} from '../../oauth/store-records.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { type TemporaryStorage, temporaryStorage } from '../storage/temporary.js'

/** What a client or a person was told of who has access, a server that loses power afterwards must know. */
describe('what is answered about access', () => {
  let syncs: number
  let subject: TemporaryStorage
  let store: Store

  beforeEach(async () => {
    syncs = 0
    const logs = new Set<number>()
    const disk: Disk = {
      ...nodeDisk,
      open(path, flags) {
        const fd = nodeDisk.open(path, flags)
        if (path.endsWith('-wal')) logs.add(fd)
        return fd
      },
      async fdatasync(fd) {
        await nodeDisk.fdatasync(fd)
        if (logs.has(fd)) syncs += 1
      },
    }
    subject = await temporaryStorage({ disk })
    store = oauthStore(subject.database)
    await store.saveClient(client)
  })
  afterEach(() => subject.close())

  async function issued() {
    const grant = newGrant()
    const codeDigest = digestOf(randomSecret())
    const code = {
      codeDigest,
      grantId: grant.grantId,
      client_id: 'c',
      redirect_uri: 'http://127.0.0.1:1/cb',
      redirect_uri_sent: true,
      code_challenge: 'x'.repeat(43),
      expiresAt: NOW + MINUTE,
    }
    await store.issueCode(grant, code, undefined)
    return { grant, codeDigest }
  }

  async function firstToken() {
    const { codeDigest } = await issued()
    const redeemed = redemption()
    await store.redeemCode(codeDigest, redeemed)
    const found = await store.refreshToken(redeemed.refreshToken?.tokenDigest as Digest)
    if (found === undefined) throw new Error('the token is not there')
    return found.token
  }

  async function approvedDevice(): Promise<Digest> {
    await store.saveDevice(device)
    await store.approveDevice(device.userCodeDigest, newGrant(), NOW)
    return device.deviceDigest
  }

  /** What comes before, and what then is answered. */
  const ANSWERS: Record<string, () => Promise<() => Promise<unknown>>> = {
    'tokens for a code': async () => {
      const { codeDigest } = await issued()
      return () => store.redeemCode(codeDigest, redemption())
    },
    'tokens for a device': async () => {
      const device = await approvedDevice()
      return () => store.pollDevice(device, redemption())
    },
    'the successor of a refresh token': async () => {
      const token = await firstToken()
      return () => store.rotate(token, rotation())
    },
    'that successor once more': async () => {
      const token = await firstToken()
      await store.rotate(token, rotation())
      return () => store.rotate(token, rotation())
    },
    'that access was taken back': async () => {
      const { grant } = await issued()
      return () => store.revokeGrant(grant.grantId, NOW)
    },
    'that a client was removed': async () => () => store.removeClient('c', NOW),
    'that all access was taken back': async () => () => store.revokeGrantsOf('u', NOW),
    'that a browser signed out': async () => () => store.revokeGrantsOfSession('s', NOW),
    'that its session is over': async () => () => sessionTable(subject.database).end('s'),
    'that somebody else signed in there': async () => {
      const { grant } = await issued()
      userTable(subject.database).insert({
        ...{ id: 'v', username: 'v', passwordHash: '', name: undefined, email: undefined },
        ...{ temporaryPassword: false, disabledAt: undefined, createdAt: NOW, validFrom: NOW },
      })
      const session = {
        ...{ id: 'next', userId: 'v', authTime: NOW, lastUsedAt: NOW, expiresAt: NOW + MINUTE },
        ...{ address: '127.0.0.1', userAgent: '' },
      }
      return () => sessionTable(subject.database).begin(session, grant.sid)
    },
    'that an access token is revoked': async () => () =>
      store.revokeAccessToken('jti', NOW + MINUTE),
  }
  for (const [what, before] of Object.entries(ANSWERS)) {
    it(`is on the disk before: ${what}`, async () => {
      const answer = await before()
      const already = syncs
      await answer()
      expect(syncs).to.equal(already + 1)
    })
  }

  const synchronous = (database: Database) => database.pragma('synchronous', { simple: true })

  it('is on the disk also where a command answers it', () => {
    const beside = openBesideServer(subject.directory)
    const full = 2
    expect(synchronous(beside)).to.equal(full)
    beside.close()
  })

  it('makes no command that stores files sync each of them', async () => {
    const directory = await temporaryDirectory('import')
    openDatabase(join(directory, 'coffer.db')).close()
    const database = openBesideServer(directory)
    const storage = await openStorage({ directory, database })
    const normal = 1
    expect(synchronous(database)).to.equal(normal)
    await storage.close()
    database.close()
    await removeDirectory(directory)
  })
})
