// Browsers that send the login form without a pause, in a process of the lowest priority: what they take themselves of the processors
// is not to be mistaken for what the server takes. Told to end (SIGTERM), it says how many forms it has sent.
//
//   node --import tsx test/bench/login-visitors.ts ISSUER CA_FILE guess        wrong passwords, each hashed
//   node --import tsx test/bench/login-visitors.ts ISSUER CA_FILE refused 25   as many a second, refused before that
import { readFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { form, Visitor } from '../support/login.js'

const BROWSERS = 16

setPriority(constants.priority.PRIORITY_LOW)
const [issuer = '', caFile = '', kind = 'guess', each = '0'] = process.argv.slice(2)
const ca = readFileSync(caFile, 'utf8')
const pauseMilliseconds = Number(each) > 0 ? (1000 * BROWSERS) / Number(each) : 0

const expected = kind === 'guess' ? 'is not right' : 'Please try again'
let sent = 0
let over = false
process.once('SIGTERM', () => {
  over = true
})

async function visit(index: number): Promise<void> {
  const visitor = new Visitor(ca)
  const { action, fields } = form(await visitor.get(`${issuer}/login`), '/login')
  fields.set('username', 'admin')
  fields.set('password', 'a wrong password')
  if (kind === 'refused') fields.set('csrf_token', 'not the one of this form')
  await pause((pauseMilliseconds * index) / BROWSERS)
  while (!over) {
    const { status, body } = await visitor.post(action, fields)
    if (status !== 403 || !body.includes(expected)) throw new Error(`login: ${status}\n${body}`)
    sent++
    if (sent === 1) process.stdout.write('under way\n')
    if (pauseMilliseconds > 0) await pause(pauseMilliseconds)
  }
}

await Promise.all(Array.from({ length: BROWSERS }, (_, index) => visit(index)))
process.stdout.write(`sent ${sent}\n`)
process.exit()
