import { expect } from 'chai'
import { problemOf } from '../../../../server/api/exchange/problem.js'

describe('an error on the way to the file API', () => {
  const coded = (code: string) => Object.assign(new Error('what only the log is told'), { code })

  it('is a full disk, also where a database of something else noticed it', () => {
    for (const code of ['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE', 'ENOSPC']) {
      const { status, body } = problemOf(coded(code), 'r1')
      expect(status).to.equal(507)
      expect(body).to.include({ code: 'ENOSPC', request_id: 'r1' })
      expect(body.detail).to.equal('the disk of the server is full; free some space and try again')
    }
  })

  it('tells nothing of what is unknown', () => {
    const { status, body } = problemOf(coded('ERR_SOMETHING'))
    expect(status).to.equal(500)
    expect(body).to.include({
      code: 'EIO',
      detail: 'The server could not do this. Its log says why.',
    })
  })
})
