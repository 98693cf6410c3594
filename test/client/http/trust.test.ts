import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { CommandError } from '../../../client/command-error.js'
import { httpClient } from '../../../client/http/api.js'
import { ExchangeError } from '../../../client/http/exchange.js'
import { parseFingerprint } from '../../../client/http/fingerprint.js'
import type { Trust } from '../../../client/http/trust.js'
import { shownCertificates } from '../../../client/login/shown-certificates.js'
import { serverTrouble } from '../../../client/login/trouble.js'
import {
  chosenTrust,
  confirmedTrust,
  trustByFingerprint,
} from '../../../client/login/trust-choice.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'
import { type SmallServer, smallServer } from '../login/small-server.js'

const failure = async (work: Promise<unknown>): Promise<Error> => {
  try {
    await work
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('it did not fail')
}

describe('trust in certificates', () => {
  let server: SmallServer
  let asked: number
  const start = async (
    chain: 'with authority' | 'alone',
    port?: number,
    name?: string,
  ): Promise<void> => {
    asked = 0
    server = await smallServer(
      (_, response) => {
        asked++
        response.end('welcome')
      },
      { chain, ...(port === undefined ? {} : { port }), ...(name === undefined ? {} : { name }) },
    )
  }
  afterEach(() => server.close())

  const get = async (trust: Trust): Promise<string> => {
    const client = httpClient({ trust })
    try {
      const url = new URL('/', server.url)
      return (await client.send({ method: 'GET', url, limit: 1_000 })).body.toString()
    } finally {
      client.close()
    }
  }
  const untrusted = async (trust: Trust): Promise<Error> => {
    const error = await failure(get(trust))
    expect(error).to.be.instanceOf(ExchangeError).with.property('kind', 'untrusted')
    expect(asked).to.equal(0)
    return error
  }

  it('does not talk to a server that no known authority vouches for', async () => {
    await start('with authority')
    const error = serverTrouble(await untrusted({ kind: 'system' }), server.url.origin)
    expect(error).to.be.instanceOf(CommandError)
    expect(String(error)).to.match(/--ca FILE.*--fingerprint/)
  })

  it('talks to a server of the authority it was given', async () => {
    await start('with authority')
    expect(await get({ kind: 'authority', pem: server.authority.certificate })).to.equal('welcome')
  })

  it('checks the name too', async () => {
    await start('with authority', undefined, 'files.example.org')
    const trust: Trust = { kind: 'authority', pem: server.authority.certificate }
    const error = serverTrouble(await untrusted(trust), server.url.origin)
    expect(String(error)).to.include('its certificate is for another name')
  })

  it('talks to the one certificate that is pinned, and to no other: no byte is sent', async () => {
    await start('alone')
    const { fingerprint } = await shownCertificates(server.url)
    const pinned: Trust = { kind: 'pinned', fingerprint }
    expect(await get(pinned)).to.equal('welcome')
    const { port } = server.url
    await server.close()
    await start('alone', Number(port))
    const error = serverTrouble(await untrusted(pinned), server.url.origin)
    expect(String(error)).to.match(/not the one you confirmed.*coffer login .* --fingerprint/s)
  })

  it('asks about the authority that the server brings, and trusts what it signs from then on', async () => {
    await start('with authority')
    let question = ''
    const trust = await confirmedTrust(server.url, async (text) => {
      question = text
      return 'yes'
    })
    expect(trust.kind).to.equal('authority')
    expect(question).to.match(/([0-9A-F]{2}:){31}[0-9A-F]{2}/)
    expect(await get(trust)).to.equal('welcome')
  })

  it('asks about the certificate itself where no authority comes along', async () => {
    await start('alone')
    const trust = await confirmedTrust(server.url, async () => 'yes')
    expect(trust.kind).to.equal('pinned')
    expect(await get(trust)).to.equal('welcome')
  })

  for (const answer of ['no', '', 'y']) {
    it(`does not take "${answer}" for a yes`, async () => {
      await start('with authority')
      const error = await failure(confirmedTrust(server.url, async () => answer))
      expect(error).to.be.instanceOf(CommandError)
    })
  }

  it('cannot ask without a terminal, and says how to answer', async () => {
    await start('with authority')
    const error = await failure(confirmedTrust(server.url, undefined))
    const [, fingerprint = ''] = /--fingerprint (\S+),/.exec(error.message) ?? []
    const trust = await trustByFingerprint(server.url, parseFingerprint(fingerprint))
    expect(await get(trust)).to.equal('welcome')
    const wrong = fingerprint.replace(/^../, (digits) => (digits === '00' ? '11' : '00'))
    const refusal = await failure(trustByFingerprint(server.url, parseFingerprint(wrong)))
    expect(refusal.message).to.include('another SHA-256 fingerprint')
  })

  it('finds the authority of a server on this machine, but only for this machine', async () => {
    await start('with authority')
    const directory = await temporaryDirectory('trust')
    try {
      await mkdir(join(directory, 'tls'))
      const file = join(directory, 'tls', 'ca.pem')
      await writeFile(file, server.authority.certificate)
      const wishes = { localAuthorities: [join(directory, 'missing.pem'), file] }
      expect(await get(chosenTrust(server.url, wishes, undefined))).to.equal('welcome')
      const elsewhere = new URL('https://files.example.org')
      expect(chosenTrust(elsewhere, wishes, undefined)).to.deep.equal({ kind: 'system' })
      expect(() => chosenTrust(elsewhere, { ...wishes, ca: directory }, undefined)).to.throw(
        CommandError,
      )
    } finally {
      await removeDirectory(directory)
    }
  })
})
