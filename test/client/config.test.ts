import { expect } from 'chai'
import { CommandError } from '../../client/command-error.js'
import { clientConfig, isLoopback, serverUrl } from '../../client/config.js'

describe('the client configuration', () => {
  it('has defaults for everything', () => {
    const config = clientConfig({}, '/home/ada')
    expect(config.server.href).to.equal('https://localhost:8443/')
    expect(config.ca).to.equal(undefined)
    expect(config.configDirectory).to.equal('/home/ada/.config/coffer')
    expect(config.stateDirectory).to.equal('/home/ada/.local/state/coffer')
    expect(config.tokenStore).to.equal('auto')
  })

  it('follows the XDG directories, and its own variables before them', () => {
    const xdg = { XDG_CONFIG_HOME: '/c', XDG_STATE_HOME: '/s' }
    expect(clientConfig(xdg, '/home/ada').configDirectory).to.equal('/c/coffer')
    const own = clientConfig({ ...xdg, COFFER_STATE_DIR: '/mine' }, '/home/ada')
    expect(own.stateDirectory).to.equal('/mine')
  })

  it('names every bad variable at once', () => {
    const bad = { COFFER_SERVER: 'http://files.example.org', COFFER_TOKEN_STORE: 'drawer' }
    expect(() => clientConfig(bad, '/home/ada'))
      .to.throw(CommandError)
      .with.property('message')
      .that.matches(/COFFER_SERVER: .*https:\/\/files\.example\.org/)
      .and.matches(/COFFER_TOKEN_STORE: must be one of auto, keyring, file/)
  })
})

describe('a server URL', () => {
  const cases: [input: string, expected: string][] = [
    ['files.example.org', 'https://files.example.org/'],
    ['localhost:8443', 'https://localhost:8443/'],
    ['https://files.example.org/', 'https://files.example.org/'],
    ['https://example.org/coffer?x=1#y', 'https://example.org/coffer'],
  ]
  for (const [input, expected] of cases) {
    it(`reads ${input} as ${expected}`, () => {
      expect(serverUrl(input).href).to.equal(expected)
    })
  }

  for (const input of [
    'http://example.org',
    'ftp://example.org',
    'https://',
    'https://a:b@c.org',
  ]) {
    it(`refuses ${input}`, () => {
      expect(() => serverUrl(input)).to.throw(CommandError)
    })
  }

  const loopbacks: [hostname: string, expected: boolean][] = [
    ['localhost', true],
    ['127.0.0.1', true],
    ['127.8.9.1', true],
    ['[::1]', true],
    ['localhost.example.org', false],
    ['127.0.0.1.example.org', false],
    ['128.0.0.1', false],
  ]
  for (const [hostname, expected] of loopbacks) {
    it(`takes ${hostname} for ${expected ? 'this machine' : 'another machine'}`, () => {
      expect(isLoopback(hostname)).to.equal(expected)
    })
  }
})
