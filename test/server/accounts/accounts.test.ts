import { expect } from 'chai'
import { accounts, newPassword, username } from '../../../server/accounts/accounts.js'
import { passwords } from '../../../server/accounts/passwords.js'
import { userTable } from '../../../server/database/accounts/accounts.js'
import { openDatabase } from '../../../server/database/database.js'

const PARAMETERS = { memoryCost: 1024, timeCost: 2, parallelism: 1 }

describe('accounts', () => {
  const OLD = newPassword('correct horse 1')
  const NEW = newPassword('correct horse 2')

  async function anna() {
    const users = userTable(openDatabase(':memory:'))
    const hashing = passwords({ parameters: PARAMETERS })
    const all = accounts(users, hashing, () => new Date())
    const add = (name: string) =>
      all.add({
        username: username(name),
        password: OLD,
        temporaryPassword: false,
      })
    await add('bert')
    const { id } = await add('anna')
    /** Another process gives her a new password, just now. */
    const hash = await hashing.hash(NEW)
    const change = () => users.setPassword(id, hash, { temporary: false, validFrom: Date.now() })
    return { all, users, id, change }
  }

  it('sign in with the password that counts when its check is done', async () => {
    const { all, id, change } = await anna()
    const [old, next] = [all.authenticate('anna', OLD), all.authenticate('anna', NEW)]
    change()
    expect(await old).to.equal(undefined)
    expect(await next).to.equal(undefined)
    expect((await all.authenticate('anna', NEW))?.id).to.equal(id)
  })

  it('do not sign in when they are disabled or removed meanwhile', async () => {
    for (const end of ['disable', 'remove'] as const) {
      const { all, id } = await anna()
      const login = all.authenticate('anna', OLD)
      all[end](id)
      expect(await login).to.equal(undefined)
    }
  })

  it('sign in twice at once while their password is hashed anew', async () => {
    const { users, id } = await anna()
    const stronger = passwords({ parameters: { ...PARAMETERS, timeCost: 3 } })
    const all = accounts(users, stronger, () => new Date())
    const both = await Promise.all([1, 2].map(() => all.authenticate('anna', OLD)))
    expect(both.map((user) => user?.id)).to.deep.equal([id, id])
    expect(users.byId(id)?.passwordHash).to.contain('t=3')
  })
})
