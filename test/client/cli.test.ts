import { expect } from 'chai'
import { commandLine } from '../../client/cli.js'

const nothing = (): never => {
  throw new Error('a bad option is refused before anything is done')
}

/** What is said of one option of `coffer mount`. */
async function refusal(option: string, value: string): Promise<string> {
  const program = commandLine(nothing, nothing, nothing)
  for (const command of program.commands) {
    command.exitOverride().configureOutput({ writeErr: () => {} })
  }
  const parameters = ['mount', option, value, 'https://files.example.org', '/mnt']
  return program.parseAsync(parameters, { from: 'user' }).then(
    () => 'it was taken',
    (error: Error) => error.message,
  )
}

describe('a bad option of coffer', () => {
  const cases: [option: string, value: string, allowed: string][] = [
    ['--uid', 'ann', 'It must be the number of a user or group, from 0 to 4294967294.'],
    ['--gid', '4294967295', 'It must be the number of a user or group, from 0 to 4294967294.'],
    ['--umask', '8', 'It must be an octal mask of permissions such as 077.'],
    ['--wait', 'long', 'It must be whole seconds, from 0 to 86400.'],
    ['--wait', '86401', 'It must be whole seconds, from 0 to 86400.'],
    ['--locks', 'some', 'Allowed choices are shared, local.'],
    ['--limit-rate', '5x', 'such as 500k or 2M, or UPLOAD:DOWNLOAD such as 1M:4M.'],
    ['--cache-size', '5', 'It must be a size of 16M or more.'],
    ['--cache-size', 'big', 'It must be a size such as 500M or 10G.'],
    ['--write-back-size', '5', 'It must be a size of 1M or more.'],
    ['--fingerprint', '5', '64 hexadecimal digits, with or without colons.'],
  ]
  for (const [option, value, allowed] of cases) {
    it(`is told by its name and with what is allowed: ${option} ${value}`, async () => {
      const said = await refusal(option, value)
      expect(said).to.match(new RegExp(`option '${option} <.*>' argument '${value}' is invalid`))
      expect(said.endsWith(allowed), said).to.equal(true)
    })
  }
})
