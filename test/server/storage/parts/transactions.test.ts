import { expect } from 'chai'
import { openDatabase } from '../../../../server/database/database.js'
import { Transactions } from '../../../../server/storage/parts/transactions.js'

describe('Transactions', () => {
  it('forget the effects of an inner one that was undone, and no others', () => {
    const database = openDatabase(':memory:')
    const nothing = () => {}
    const transactions = new Transactions(database, {
      rolledBack: nothing,
      ended: nothing,
      committed: nothing,
    })
    const happened: string[] = []
    transactions.run(() => {
      transactions.afterwards(() => happened.push('before'))
      try {
        transactions.run(() => {
          transactions.afterwards(() => happened.push('undone'))
          throw new Error('no')
        })
      } catch {
        transactions.afterwards(() => happened.push('after'))
      }
      expect(happened).to.deep.equal([])
    })
    expect(happened).to.deep.equal(['before', 'after'])
    database.close()
  })
})
