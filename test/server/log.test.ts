import { expect } from 'chai'
import { FileError } from '../../server/errors.js'
import { openLog } from '../../server/log.js'

describe('the log of the server', () => {
  let lines: string[]
  let log: ReturnType<typeof openLog>
  beforeEach(() => {
    lines = []
    log = openLog('debug', { write: (line) => lines.push(line) })
  })

  it('censors the names under which secrets travel', () => {
    log.info({ code: 'SplxlOBe', body: { password: 'hunter2', refresh: { token: 'tGzv3J' } } })
    expect(lines.join('')).to.not.match(/SplxlOBe|hunter2|tGzv3J/)
  })

  it('says the code of an error', () => {
    log.error({ err: new FileError('ENOSPC', 'full') }, 'a request failed')
    expect(JSON.parse(lines.join(''))).to.deep.include({ level: 'error', msg: 'a request failed' })
    expect(JSON.parse(lines.join('')).err).to.include({ error_code: 'ENOSPC', message: 'full' })
  })
})
