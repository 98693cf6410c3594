import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { type Running, start } from '../support/process.js'
import { program } from '../support/program.js'
import { row } from './support/row.js'
import type { Suite } from './support/suite.js'

interface Login {
  readonly running: Running
  /** Where the user is sent. */
  readonly authorize: URL
  /** Where the program waits for the answer. */
  readonly redirect: URL
  end(): Promise<void>
}

/** `coffer login`, up to where it waits for the browser. */
async function login({ inside, target }: Suite): Promise<Login> {
  const directory = await temporaryDirectory('login')
  const env = {
    COFFER_SERVER: target.issuer,
    COFFER_CA: inside.server.caFile,
    COFFER_CONFIG_DIR: join(directory, 'config'),
    COFFER_STATE_DIR: join(directory, 'state'),
    COFFER_TOKEN_STORE: 'file',
    BROWSER: 'true',
    DISPLAY: '',
  }
  const running = start(process.execPath, [...program('client'), 'login'], { env })
  const [url = ''] = await running.printed(/https:\/\/\S+\/authorize\?\S+/)
  const authorize = new URL(url)
  return {
    running,
    authorize,
    redirect: new URL(authorize.searchParams.get('redirect_uri') ?? ''),
    async end() {
      await running.stop()
      await removeDirectory(directory)
    },
  }
}

function answer({ authorize, redirect }: Login, changes: Record<string, string>): URL {
  const url = new URL(redirect)
  const state = authorize.searchParams.get('state') ?? ''
  url.search = new URLSearchParams({
    code: 'x',
    state,
    iss: authorize.origin,
    ...changes,
  }).toString()
  return url
}

/** Local addresses that listen on the port, as the kernel lists them: hexadecimal, lowest byte first. */
async function listeners(port: number): Promise<string[]> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8')),
  )
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  return tables
    .flatMap((table) => table.split('\n'))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${wanted}`) && state === '0A')
    .map(([, local = '']) => local.split(':')[0] ?? '')
}

describe('the client', () => {
  row(
    'rfc8252-c-1',
    'S',
    'listens on loopback only, and only while it waits',
    async (suite) => {
      const waiting = await login(suite)
      try {
        const port = Number(waiting.redirect.port)
        expect(waiting.redirect.hostname).to.equal('127.0.0.1')
        expect(await listeners(port)).to.deep.equal(['0100007F'])
        await fetch(answer(waiting, { error: 'access_denied', iss: suite.target.issuer }))
        await waiting.running.ended
        expect(await listeners(port)).to.deep.equal([])
      } finally {
        await waiting.end()
      }
    },
    { inside: true },
  )

  row(
    'rfc8252-c-2',
    'M',
    'takes the answer to its own request only',
    async (suite) => {
      const waiting = await login(suite)
      try {
        expect((await fetch(answer(waiting, { state: 'another' }))).status).to.equal(400)
        const elsewhere = answer(waiting, {})
        elsewhere.pathname = '/other'
        expect((await fetch(elsewhere)).status).to.equal(404)
        expect(waiting.running.child.exitCode).to.equal(null)
        const end = await fetch(answer(waiting, { iss: 'https://evil.test' }))
        expect(end.status).to.equal(400)
        await waiting.running.ended
        expect(waiting.running.child.exitCode).to.not.equal(0)
      } finally {
        await waiting.end()
      }
    },
    { inside: true },
  )

  row(
    'rfc9207-2.4-1',
    'M',
    'refuses an answer of another issuer, or of none',
    async (suite) => {
      for (const iss of ['https://evil.test', `${suite.target.issuer}/`, '']) {
        const waiting = await login(suite)
        try {
          const url = answer(waiting, { iss })
          if (iss === '') url.searchParams.delete('iss')
          expect((await fetch(url)).status).to.equal(400)
          await waiting.running.ended
          expect(waiting.running.child.exitCode).to.not.equal(0)
          expect(waiting.running.log()).to.include(suite.target.issuer)
        } finally {
          await waiting.end()
        }
      }
    },
    { inside: true },
  )
})
