import { expect } from 'chai'
import {
  ConfigError,
  environmentName,
  issuerOf,
  parseConfig,
  type Sources,
} from '../../server/config.js'

function sources(given: Partial<Sources> = {}): Sources {
  const readFile = () => {
    throw new Error('there is no file')
  }
  return { flags: {}, environment: {}, home: '/home/maria', readFile, ...given }
}
const ofEnvironment = (environment: Record<string, string>) => parseConfig(sources({ environment }))
const ofFile = (content: string) =>
  parseConfig(sources({ environment: { COFFER_CONFIG: 'c.json' }, readFile: () => content }))

function problems(parse: () => unknown): readonly string[] {
  try {
    parse()
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  throw new Error('it was taken')
}

describe('parseConfig', () => {
  it('has a default for everything', () => {
    const config = parseConfig(sources())
    expect(config).to.include({ host: 'localhost', port: 8443, accessTokenLifetimeSeconds: 900 })
    expect(config.data).to.equal('/home/maria/.local/share/coffer')
    expect(issuerOf(config, 8443)).to.equal('https://localhost:8443')
  })

  it('keeps data below XDG_DATA_HOME where that is set', () => {
    expect(ofEnvironment({ XDG_DATA_HOME: '/data' }).data).to.equal('/data/coffer')
  })

  it('is frozen', () => {
    expect(Object.isFrozen(parseConfig(sources()))).to.equal(true)
  })

  it('takes flags before the environment, and that before the file', () => {
    const readFile = () => '{ "port": 1, "host": "from-file", "logLevel": "warn" }'
    const environment = {
      COFFER_CONFIG: 'c.json',
      COFFER_PORT: '2',
      COFFER_HOST: 'from-environment',
    }
    const config = parseConfig(sources({ readFile, environment, flags: { port: '3' } }))
    expect(config).to.include({ port: 3, host: 'from-environment', logLevel: 'warn' })
  })

  it('says which files it is in and names', () => {
    const environment = { COFFER_CONFIG: '/c.json', COFFER_SECRET_FILE: '/secret' }
    const readFile = () => '{ "tlsCert": "/chain.pem", "tlsKey": "/key.pem" }'
    const { files } = parseConfig(sources({ environment, readFile }))
    expect(files).to.have.members(['/c.json', '/chain.pem', '/key.pem', '/secret'])
    expect(parseConfig(sources()).files).to.deep.equal([])
  })

  it('takes an empty variable as none', () => {
    expect(ofEnvironment({ COFFER_PORT: '' }).port).to.equal(8443)
  })

  it('reports every bad value by the name it was given under', () => {
    const found = problems(() =>
      parseConfig(
        sources({
          environment: {
            COFFER_PORT: '99999',
            COFFER_ISSUER: 'http://a.example',
            COFFER_CONFIG: 'c.json',
          },
          flags: { logLevel: 'loud' },
          readFile: () => '{ "accessTokenLifetime": 0 }',
        }),
      ),
    )
    expect(found).to.have.length(4)
    expect(found.join('\n'))
      .to.match(/^COFFER_PORT must be a port from 0 to 65535, not "99999"$/m)
      .and.match(/^COFFER_ISSUER must be an https origin .*, not "http:\/\/a.example"$/m)
      .and.match(/^--log-level must be one of .*, not "loud"$/m)
      .and.match(
        /^"accessTokenLifetime" in the configuration file must be seconds from 1 to 3600, not 0$/m,
      )
  })

  it('never repeats a secret that is not good enough', () => {
    const found = problems(() =>
      ofEnvironment({ COFFER_ADMIN_PASSWORD: 'pa55wrd', COFFER_SECRET: 'abc123' }),
    )
    expect(found).to.have.length(2)
    expect(found.join()).to.not.contain('pa55wrd').and.not.contain('abc123')
  })

  const bad: [name: string, value: string][] = [
    ['COFFER_PORT', '8443x'],
    ['COFFER_PORT', '-1'],
    ['COFFER_PORT', '1e3'],
    ['COFFER_HOST', 'a b'],
    ['COFFER_ISSUER', 'https://a.example/path'],
    ['COFFER_ISSUER', 'https://a.example?x'],
    ['COFFER_ISSUER', 'https://u:p@a.example'],
    ['COFFER_ISSUER', 'a.example'],
    ['COFFER_TRUST_PROXY', '10.0.0.0/33'],
    ['COFFER_TRUST_PROXY', 'proxy.example'],
    ['COFFER_TRUST_PROXY', 'true'],
    ['COFFER_ACCESS_TOKEN_LIFETIME', '3601'],
    ['COFFER_TLS_CERT', '/only/one/of/two.pem'],
  ]
  for (const [name, value] of bad) {
    it(`refuses ${name}=${value}`, () => {
      expect(problems(() => ofEnvironment({ [name]: value })).join()).to.contain(name)
    })
  }

  it('reads the issuer in one spelling', () => {
    expect(ofEnvironment({ COFFER_ISSUER: 'https://A.example:443/' }).issuer).to.equal(
      'https://a.example',
    )
  })

  it('reads a list of proxies', () => {
    const { trustProxy } = ofEnvironment({ COFFER_TRUST_PROXY: 'loopback, 10.0.0.0/8,::1' })
    expect(trustProxy).to.deep.equal(['loopback', '10.0.0.0/8', '::1'])
  })

  for (const content of ['[]', 'null', '{', '{ "prot": 1, "hots": 2 }']) {
    it(`refuses a configuration file with ${content}`, () => {
      expect(problems(() => ofFile(content))).to.have.length(1)
    })
  }

  it('refuses a configuration file that is missing', () => {
    const environment = { COFFER_CONFIG: 'missing.json' }
    expect(problems(() => parseConfig(sources({ environment }))).join()).to.contain('missing.json')
  })

  it('spells environment variables in upper case', () => {
    expect(environmentName('accessTokenLifetime')).to.equal('COFFER_ACCESS_TOKEN_LIFETIME')
  })
})
