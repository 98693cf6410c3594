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

  for (const name of ['password', 'authorization', 'cookie', 'code', 'token', 'secret']) {
    it(`censors "${name}", also within what is logged`, () => {
      log.info({ [name]: 'hunter2', one: { [name]: 'hunter2', two: { [name]: 'hunter2' } } })
      expect(lines.join('')).to.not.contain('hunter2')
    })
  }

  it('censors what an error carries, and what is in a list', () => {
    const err = Object.assign(new Error('refused'), { token: 'hunter2', at: { secret: 'hunter2' } })
    log.error({ err, list: [{ cookie: 'hunter2' }, 'kept'] }, 'a request failed')
    const [line = ''] = lines
    expect(line).to.contain('kept')
    expect(line).to.not.contain('hunter2')
  })

  it('censors an error by whatever name it is logged', () => {
    const error = Object.assign(new Error('refused'), { token: 'hunter2' })
    log.error({ error, within: { err: error } }, 'a request failed')
    expect(lines.join('')).to.not.contain('hunter2')
  })

  it('keeps a list a list', () => {
    log.info({ list: [{ cookie: 'hunter2', kept: 1 }, 'kept'] })
    expect(JSON.parse(lines.join('')).list).to.deep.equal([{ cookie: '[secret]', kept: 1 }, 'kept'])
  })

  it('says the code of an error', () => {
    log.error({ err: new FileError('ENOSPC', 'full') }, 'a request failed')
    expect(JSON.parse(lines.join(''))).to.deep.include({ level: 'error', msg: 'a request failed' })
    expect(JSON.parse(lines.join('')).err).to.include({ error_code: 'ENOSPC', message: 'full' })
  })
})
