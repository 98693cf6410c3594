import { expect } from 'chai'
import { withReasons } from '../../../../client/fs/requests/reasons.js'
import type { RemoteFiles } from '../../../../client/remote/remote-files.js'
import { RemoteError } from '../../../../client/remote-error.js'

describe('why a program is told EIO', () => {
  const refuses = (code: 'EIO' | 'ENOENT') => {
    const error = new RemoteError(code, 'the answer makes no sense')
    const files: Pick<RemoteFiles, 'stat' | 'list'> = {
      stat: () => Promise.reject(error),
      // biome-ignore lint/correctness/useYield: it fails before there is a page
      async *list() {
        throw error
      },
    }
    return files as RemoteFiles
  }
  const said: string[] = []
  const log = (message: string) => said.push(message)
  const failure = (work: Promise<unknown>) => work.catch((error: RemoteError) => error.code)
  async function listed(files: RemoteFiles): Promise<void> {
    for await (const _ of files.list(7));
  }
  beforeEach(() => said.splice(0))

  it('is in the log, of a listing, too', async () => {
    const files = withReasons(refuses('EIO'), log)
    expect(await failure(files.stat(5))).to.equal('EIO')
    expect(await failure(listed(files))).to.equal('EIO')
    expect(said).to.deep.equal(['stat 5 failed', 'list 7 failed'])
  })

  it('is not, of what programs are told as it is', async () => {
    const files = withReasons(refuses('ENOENT'), log)
    expect(await failure(files.stat(5))).to.equal('ENOENT')
    expect(await failure(listed(files))).to.equal('ENOENT')
    expect(said).to.deep.equal([])
  })
})
