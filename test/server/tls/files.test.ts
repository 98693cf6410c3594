import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type SecureVersion, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import '../../../server/tls/authority.js' // loaded when needed, a package of it makes globals: no leak of a test
import { contextOptions, keepCertificate } from '../../../server/tls/context.js'
import { localCertificate, readKeyPair, tlsFiles } from '../../../server/tls/files.js'
import { certificateNames } from '../../../server/tls/names.js'
import { removeDirectory, temporaryDirectory } from '../../support/directory.js'

const DAY = 86_400_000
const now = new Date()
const later = (days: number) => new Date(now.getTime() + days * DAY)

describe('localCertificate', () => {
  let data: string
  beforeEach(async () => {
    data = await temporaryDirectory('tls')
  })
  afterEach(() => removeDirectory(data))

  const certificate = (time = now, ...hosts: string[]) =>
    localCertificate(data, 'box', certificateNames('box', ...hosts), time)
  const parsed = (pem: string) => new X509Certificate(pem)

  it('is signed by the local authority for every local name', async () => {
    const { pair, authorityFile } = await certificate(now, 'files.example.org', '192.0.2.7')
    const authority = parsed(
      readKeyPair({ certificate: authorityFile, key: authorityFile }).certificate,
    )
    const server = parsed(pair.certificate)
    expect(server.verify(authority.publicKey)).to.equal(true)
    expect(authority.ca).to.equal(true)
    expect(server.ca).to.equal(false)
    for (const name of ['localhost', 'box', 'files.example.org']) {
      expect(server.checkHost(name), name).to.equal(name)
    }
    for (const address of ['127.0.0.1', '::1', '192.0.2.7']) {
      expect(server.checkIP(address), address).to.not.equal(undefined)
    }
  })

  it('has an authority of another name than one on the same machine before, for Firefox finds it by that', async () => {
    const nameIn = async (directory: string) => {
      const names = certificateNames('box')
      const { authorityFile } = await localCertificate(directory, 'box', names, now)
      return parsed(readFileSync(authorityFile, 'utf8')).subject
    }
    const other = await temporaryDirectory('tls')
    expect(await nameIn(data)).to.match(/^CN=Coffer local CA [0-9a-f]{8} on box$/m)
    expect(await nameIn(data)).to.not.equal(await nameIn(other))
    await removeDirectory(other)
  })

  it('keeps private keys from everybody else', async () => {
    await certificate()
    const files = tlsFiles(data)
    for (const key of [files.authority.key, files.server.key]) {
      expect(statSync(key).mode & 0o777).to.equal(0o600)
    }
    expect(statSync(`${data}/tls`).mode & 0o777).to.equal(0o700)
  })

  it('stays while it is good', async () => {
    const first = await certificate()
    const second = await certificate(later(100))
    expect(second.renewed).to.equal(false)
    expect(second.pair).to.deep.equal(first.pair)
  })

  it('is renewed by the same authority before it expires', async () => {
    await certificate()
    const { authority } = tlsFiles(data)
    const before = readKeyPair(authority)
    const renewed = await certificate(later(171))
    expect(renewed.renewed).to.equal(true)
    expect(Date.parse(parsed(renewed.pair.certificate).validTo)).to.be.above(later(300).getTime())
    expect(readKeyPair(authority)).to.deep.equal(before)
  })

  it('is made anew when it is damaged, but its authority is not, which clients trust', async () => {
    await certificate()
    const { authority, server } = tlsFiles(data)
    const before = readKeyPair(authority)
    writeFileSync(server.certificate, '')
    expect((await certificate()).renewed).to.equal(true)
    const failure = () =>
      certificate().then(
        () => 'it was made',
        (error: Error) => error.message,
      )
    writeFileSync(authority.certificate, '')
    expect(await failure()).to.contain(`put ${authority.certificate} and ${authority.key} back`)
    writeFileSync(authority.certificate, before.certificate)
    rmSync(authority.key)
    expect(await failure()).to.contain(`put ${authority.certificate} and ${authority.key} back`)
    writeFileSync(authority.key, before.key)
    expect((await certificate()).renewed).to.equal(false)
  })

  it('is made anew when the server has a new name', async () => {
    await certificate()
    const { pair, renewed } = await certificate(now, 'new.example.org')
    expect(renewed).to.equal(true)
    expect(parsed(pair.certificate).checkHost('new.example.org')).to.equal('new.example.org')
  })

  it('is made anew when a crash left another key beside it', async () => {
    const { pair } = await certificate()
    const other = await temporaryDirectory('tls')
    const foreign = await localCertificate(other, 'box', certificateNames('box'), now)
    writeFileSync(tlsFiles(data).server.key, foreign.pair.key)
    const again = await certificate()
    expect(again.renewed).to.equal(true)
    expect(again.pair.certificate).to.not.equal(pair.certificate)
    await removeDirectory(other)
  })
})

describe('certificateNames', () => {
  it('leaves out wildcard addresses and what is no host name', () => {
    const names = certificateNames(
      '::',
      '0.0.0.0',
      'my_box',
      '-a',
      'a..b',
      '[::2]',
      'fe80::3%eth0',
      'OK.example',
    )
    expect(names.map(({ value }) => value)).to.deep.equal([
      'localhost',
      '127.0.0.1',
      '::1',
      '::2',
      'fe80::3',
      'ok.example',
    ])
  })
})

describe('the served certificate', () => {
  let data: string
  beforeEach(async () => {
    data = await temporaryDirectory('tls')
  })
  afterEach(() => removeDirectory(data))

  async function served(options: object = {}) {
    const names = certificateNames('box')
    const { pair } = await localCertificate(data, 'box', names, now)
    const server = createServer(contextOptions(pair))
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const handshake = (limits: object = {}) =>
      new Promise<TLSSocket>((resolve, reject) => {
        const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...limits })
        socket.once('secureConnect', () => resolve(socket))
        socket.once('error', reject)
      })
    const serial = async () => {
      const socket = await handshake()
      const { serialNumber } = socket.getPeerCertificate()
      socket.destroy()
      return serialNumber
    }
    const outcomes: string[] = []
    const files = tlsFiles(data).server
    const reported = new Set<() => void>()
    const keeper = keepCertificate({
      load: async () => readKeyPair(files),
      apply: (context) => server.setSecureContext(context),
      files: [files.certificate, files.key],
      report(outcome) {
        outcomes.push(outcome.kind)
        for (const listener of reported) listener()
      },
      ...options,
    })
    const stop = () => {
      keeper.stop()
      server.close()
    }
    const report = () => new Promise<void>((resolve) => reported.add(resolve))
    return { handshake, serial, outcomes, keeper, stop, report, names }
  }

  const versions: [version: SecureVersion, taken: boolean][] = [
    ['TLSv1.3', true],
    ['TLSv1.2', true],
    ['TLSv1.1', false],
    ['TLSv1', false],
  ]
  for (const [version, taken] of versions) {
    it(`${taken ? 'takes' : 'refuses'} ${version}`, async () => {
      const { handshake, stop } = await served()
      const limits = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT:@SECLEVEL=0' }
      const outcome = await handshake(limits).then(
        (socket) => {
          const protocol = socket.getProtocol()
          socket.destroy()
          return protocol
        },
        () => 'refused',
      )
      stop()
      expect(outcome).to.equal(taken ? version : 'refused')
    })
  }

  for (const ciphers of [
    'AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES128-SHA',
    'ECDHE-ECDSA-AES256-SHA384',
  ]) {
    it(`refuses ${ciphers}, which has no forward secrecy or no AEAD`, async () => {
      const { handshake, stop } = await served()
      const outcome = await handshake({ maxVersion: 'TLSv1.2', ciphers }).then(
        () => 'taken',
        () => 'refused',
      )
      stop()
      expect(outcome).to.equal('refused')
    })
  }

  const [aes128, aes256] = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384'] as const
  const chacha = 'TLS_CHACHA20_POLY1305_SHA256'
  const ecdsa = (suite: string) => `ECDHE-ECDSA-${suite}`
  const choices: [wanted: string[], chosen: string][] = [
    [[aes256, chacha, aes128], aes128],
    [[aes256, chacha], aes256],
    [[chacha, aes256, aes128], chacha],
    [[ecdsa('AES256-GCM-SHA384'), ecdsa('AES128-GCM-SHA256')], ecdsa('AES128-GCM-SHA256')],
    [[ecdsa('CHACHA20-POLY1305'), ecdsa('AES128-GCM-SHA256')], ecdsa('CHACHA20-POLY1305')],
  ]
  for (const [wanted, chosen] of choices) {
    it(`chooses ${chosen} of ${wanted.join(', ')}`, async () => {
      const { handshake, stop } = await served()
      const maxVersion = chosen.startsWith('TLS_') ? 'TLSv1.3' : 'TLSv1.2'
      const socket = await handshake({ ciphers: wanted.join(':'), maxVersion })
      const { name } = socket.getCipher()
      socket.destroy()
      stop()
      expect(name).to.equal(chosen)
    })
  }

  it('is served from the next connection on when its file changes', async () => {
    const { serial, stop, report, names } = await served({ watchEveryMs: 10 })
    const before = await serial()
    const reported = report()
    await localCertificate(data, 'box', [...names, { type: 'dns', value: 'new.example' }], now)
    await reported
    expect(await serial()).to.not.equal(before)
    stop()
  })

  it('stays when the file that replaces it is broken', async () => {
    const { serial, keeper, outcomes, stop } = await served()
    const before = await serial()
    writeFileSync(tlsFiles(data).server.certificate, 'no certificate')
    await keeper.reload()
    expect(outcomes).to.deep.equal(['failed'])
    expect(await serial()).to.equal(before)
    stop()
  })
})
