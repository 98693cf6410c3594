import { expect } from 'chai'
import {
  assertRegistrable,
  destination,
  formActionSource,
  onlyUri,
  type RegisteredUri,
  registeredUri,
  withParameters,
} from '../../../oauth/clients/redirect-uri.js'

const LOOPBACK = 'http://127.0.0.1/cb'

describe('registeredUri (RFC 8252 section 7.3, RFC 9700 section 2.1)', () => {
  const cases: [registered: string, asked: string, matches: boolean][] = [
    [LOOPBACK, LOOPBACK, true],
    [LOOPBACK, 'http://127.0.0.1:1/cb', true],
    [LOOPBACK, 'http://127.0.0.1:65535/cb', true],
    [LOOPBACK, 'http://127.0.0.1:65536/cb', false],
    [LOOPBACK, 'http://127.0.0.1:080/cb', false],
    [LOOPBACK, 'http://127.0.0.1:1/cb/', false],
    [LOOPBACK, 'http://127.0.0.1:1/CB', false],
    [LOOPBACK, 'http://127.0.0.1:1/cb?x', false],
    [LOOPBACK, 'http://[::1]:1/cb', false],
    [LOOPBACK, 'http://localhost:1/cb', false],
    [LOOPBACK, 'http://127.0.0.1.evil/cb', false],
    [LOOPBACK, 'http://127.0.0.1@evil/cb', false],
    [LOOPBACK, 'https://127.0.0.1:1/cb', false],
    ['http://127.0.0.1', 'http://127.0.0.1:39651', true],
    ['http://[::1]/cb', 'http://[::1]:9/cb', true],
    ['http://127.0.0.1:5/cb', 'http://127.0.0.1:6/cb', true],
    ['https://a.test/cb', 'https://a.test:8443/cb', false],
    ['https://a.test/cb?x=1', 'https://a.test/cb?x=1', true],
    ['https://a.test/cb', 'HTTPS://a.test/cb', false],
  ]
  for (const [registered, asked, matches] of cases) {
    it(`${matches ? 'takes' : 'refuses'} ${asked} where ${registered} is registered`, () => {
      expect(registeredUri(asked, [registered])).to.equal(matches ? asked : undefined)
    })
  }
})

describe('onlyUri (RFC 6749 section 3.1.2.3)', () => {
  it('is the one that is registered, unless its port is open', () => {
    expect(onlyUri(['https://a.test/cb'])).to.equal('https://a.test/cb')
    for (const uris of [[], [LOOPBACK], ['https://a.test/cb', 'https://a.test/other']]) {
      expect(onlyUri(uris)).to.equal(undefined)
    }
  })
})

describe('assertRegistrable (RFC 6749 section 3.1.2, RFC 8252 section 7)', () => {
  for (const uri of ['https://a.test/cb', LOOPBACK, 'http://[::1]:5/cb', 'com.example.app:/cb']) {
    it(`takes ${uri}`, () => assertRegistrable(uri))
  }
  for (const uri of [
    '/cb',
    'http://a.test/cb',
    'http://localhost/cb',
    'myapp:/cb',
    'javascript:alert(1)',
    'https://a.test/#f',
    'https://user@a.test/cb',
    'https://a.test/a b',
    'https://a.test/\u202e',
    'https://a.test\\@evil.test/',
    'https:a.test/cb',
    'https:///a.test/cb',
    'HTTPS://a.test/cb',
    'https://a.test/%zz',
    'com.example.app://host/cb',
  ]) {
    it(`refuses ${JSON.stringify(uri)}`, () => {
      expect(() => assertRegistrable(uri)).to.throw(/redirect URI/)
    })
  }
})

describe('what is made of a redirect URI', () => {
  const cases: [uri: string, source: string, words: string][] = [
    ['http://127.0.0.1:7/cb', 'http://127.0.0.1:7', 'this computer'],
    ['http://[::1]:7/cb', 'http:', 'this computer'],
    ['https://a.test/cb', 'https://a.test', 'a.test'],
    ['com.example.app:/cb', 'com.example.app:', 'the app com.example.app'],
  ]
  for (const [uri, source, words] of cases) {
    it(`lets ${uri} through as ${source}, called "${words}"`, () => {
      expect(formActionSource(uri as RegisteredUri)).to.equal(source)
      expect(destination(uri as RegisteredUri)).to.equal(words)
    })
  }

  it('keeps its query and appends the parameters', () => {
    const uri = 'https://a.test/cb?x=1' as RegisteredUri
    expect(withParameters(uri, { code: 'a b', state: undefined })).to.equal(
      'https://a.test/cb?x=1&code=a+b',
    )
    expect(withParameters(uri, {})).to.equal(uri)
  })
})
