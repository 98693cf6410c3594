import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { CommandError } from '../../../client/command-error.js'
import { AccountDirectory } from '../../../client/login/account.js'
import {
  chooseTokenStore,
  fileTokens,
  openTokenStore,
  type Tokens,
} from '../../../client/login/tokens.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

const tokens: Tokens = {
  access_token: 'a',
  token_type: 'Bearer',
  refresh_token: 'r',
  scope: 'file.read',
  issuedAt: 1,
  expiresAt: 2,
}

describe('the token store of files', () => {
  let config: string
  let directory: AccountDirectory
  beforeEach(async () => {
    config = await temporaryDirectory('tokens')
    directory = new AccountDirectory(join(config, 'c'), new URL('https://files.example.org'))
  })
  afterEach(() => removeDirectory(config))

  it('gives back what was saved, and nothing before and after', async () => {
    const store = fileTokens(directory)
    expect(await store.load()).to.equal(undefined)
    await store.save(tokens)
    expect(await store.load()).to.deep.equal(tokens)
    await store.forget()
    expect(await store.load()).to.equal(undefined)
  })

  it('keeps a folder for each account with mode 0700 and files with mode 0600', async () => {
    const before = process.umask(0)
    try {
      await fileTokens(directory).save(tokens)
    } finally {
      process.umask(before)
    }
    expect((await stat(directory.path)).mode & 0o777).to.equal(0o700)
    expect((await stat(join(config, 'c'))).mode & 0o777).to.equal(0o700)
    expect((await stat(directory.tokensFile)).mode & 0o777).to.equal(0o600)
  })

  it('replaces the file, so that a reader has the old tokens or the new', async () => {
    const store = fileTokens(directory)
    await store.save(tokens)
    const { ino } = await stat(directory.tokensFile)
    await store.save({ ...tokens, access_token: 'b' })
    expect((await stat(directory.tokensFile)).ino).to.not.equal(ino)
    expect(await readdir(directory.path)).to.deep.equal(['tokens.json'])
  })

  it('says beforehand where nothing can be kept, and makes nothing', async () => {
    await directory.checkWritable()
    expect(await readdir(config)).to.deep.equal([])
    await writeFile(join(config, 'c'), '')
    const failure = await directory.checkWritable().catch((error: unknown) => error)
    expect(failure).to.be.instanceOf(CommandError).with.property('message').that.contains('ENOTDIR')
  })

  it('keeps accounts of different servers apart', () => {
    const other = new AccountDirectory(join(config, 'c'), new URL('https://files.example.org:1'))
    expect(other.path).to.not.equal(directory.path)
  })

  it('says what to do about a damaged file', async () => {
    const store = fileTokens(directory)
    await store.save({ ...tokens, access_token: undefined as unknown as string })
    const error: unknown = await store.load().catch((caught: unknown) => caught)
    expect(error).to.be.instanceOf(CommandError)
    expect(String(error)).to.match(/damaged.*coffer login/)
  })
})

describe('the choice of a token store where no keyring service runs', () => {
  let config: string
  let directory: AccountDirectory
  let bus: string | undefined
  beforeEach(async () => {
    config = await temporaryDirectory('tokens')
    directory = new AccountDirectory(config, new URL('https://files.example.org'))
    bus = process.env.DBUS_SESSION_BUS_ADDRESS
    process.env.DBUS_SESSION_BUS_ADDRESS = 'unix:path=/nonexistent'
  })
  afterEach(async () => {
    if (bus === undefined) delete process.env.DBUS_SESSION_BUS_ADDRESS
    else process.env.DBUS_SESSION_BUS_ADDRESS = bus
    await removeDirectory(config)
  })

  it('takes files and explains it once, with the place', async () => {
    const said: string[] = []
    const store = await chooseTokenStore('auto', directory, (message) => said.push(message))
    expect(store.kind).to.equal('file')
    expect(said).to.have.length(1)
    expect(said[0]).to.include(directory.tokensFile)
  })

  it('explains nothing when files were asked for', async () => {
    const said: string[] = []
    const store = await chooseTokenStore('file', directory, (message) => said.push(message))
    expect([store.kind, said]).to.deep.equal(['file', []])
  })

  it('refuses when a keyring was asked for', async () => {
    const error: unknown = await chooseTokenStore('keyring', directory, () => {}).catch(
      (caught: unknown) => caught,
    )
    expect(error).to.be.instanceOf(CommandError)
    expect(String(error)).to.include('COFFER_TOKEN_STORE=file')
  })

  it('says what to do when the login is in a keyring that cannot be reached', async () => {
    const store = openTokenStore('keyring', directory)
    const error: unknown = await store.load().catch((caught: unknown) => caught)
    expect(String(error)).to.include('COFFER_TOKEN_STORE=file')
  })
})
