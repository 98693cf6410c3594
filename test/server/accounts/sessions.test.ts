import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import express, { type Request } from 'express'
import { sessions } from '../../../server/accounts/sessions.js'
import { type User, userTable } from '../../../server/database/accounts/accounts.js'
import { sessionTable } from '../../../server/database/accounts/sessions.js'
import { openDatabase } from '../../../server/database/database.js'

describe('a session', () => {
  it('is ended by what was changed after the password was found right, if before it began', async () => {
    const found = 1_000_000
    const database = openDatabase(':memory:')
    const users = userTable(database)
    const user: User = {
      ...{ id: 'u', username: 'ann', passwordHash: '', name: undefined, email: undefined },
      ...{ temporaryPassword: false, disabledAt: undefined },
      ...{ createdAt: 0, validFrom: 0 },
    }
    users.insert(user)
    const subject = sessions({
      table: sessionTable(database),
      accounts: users,
      csrfKey: randomBytes(32),
      clock: () => new Date(found + 2),
      issuer: 'https://localhost',
    })
    const fields = { headers: { value: {} }, ip: { value: '' } }
    const request: Request = Object.create(express.request, fields)
    users.setPassword('u', 'another', { temporary: false, validFrom: found + 1 })
    await subject.begin(request, user, found)
    expect(subject.current(request)).to.equal(undefined)
    await subject.begin(request, user, found + 1)
    expect(subject.current(request)?.sub).to.equal('u')
    database.close()
  })
})
