import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { commandLine } from '../client/cli.js'
import { SETTINGS } from '../server/settings.js'
import { root } from './support/process.js'

async function documents(): Promise<[name: string, text: string][]> {
  const names = [
    ...(await readdir(root)),
    ...(await readdir(join(root, 'docs'))).map((name) => join('docs', name)),
  ].filter((name) => name.endsWith('.md'))
  return Promise.all(
    names.map(
      async (name): Promise<[string, string]> => [name, await readFile(join(root, name), 'utf8')],
    ),
  )
}

describe('the documentation', () => {
  it('links to nothing that is not there', async () => {
    const dead = (await documents()).flatMap(([name, text]) =>
      [...text.matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, link = '']) => link.replace(/#.*$/, ''))
        .filter((link) => link !== '' && !/^[a-z]+:/.test(link))
        .filter((link) => !existsSync(join(root, dirname(name), link)))
        .map((link) => `${name}: ${link}`),
    )
    expect(dead).to.deep.equal([])
  })

  it('names every make target that it tells people to use, and only those', async () => {
    const makefile = await readFile(join(root, 'Makefile'), 'utf8')
    const targets = new Set([...makefile.matchAll(/^([a-z_]+):/gm)].map(([, target]) => target))
    const told = (await documents()).flatMap(([, text]) =>
      [...text.matchAll(/(?:^|`)(?:[A-Z_]+=\S+ )*make ([a-z]+)/gm)].map(([, target]) => target),
    )
    expect(told).to.include.members(['serve', 'mount', 'unmount', 'conformance', 'bench'])
    expect(told.filter((target) => !targets.has(target))).to.deep.equal([])
  })

  it('has every setting of the server in the table of the README, and no other', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8')
    const rows = [...readme.matchAll(/^\| `(COFFER_[A-Z_]+)` \| (?:`(--[a-z-]+)`)? ?\| /gm)].map(
      ([, variable, flag]) => [variable, flag],
    )
    const settings = Object.entries(SETTINGS).map(([name, setting]) => [
      `COFFER_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`,
      'flag' in setting ? setting.flag.split(' ')[0] : undefined,
    ])
    expect(rows).to.deep.equal(settings)
  })

  it('names every command of coffer, and every flag that it has', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8')
    const code = [...readme.matchAll(/```sh\n[\s\S]*?```|`[^`\n]+`/g)].join('\n')
    const unused = (): never => {
      throw new Error('what the flags are needs nothing of the process')
    }
    const program = commandLine(unused, unused, unused)
    const commands = program.createHelp().visibleCommands(program)
    const missing = commands
      .filter((command) => command.name() !== 'help')
      .flatMap((command) => [
        `coffer ${command.name()}`,
        ...command.options.flatMap(({ long }) => long ?? []),
      ])
      .filter((told) => !new RegExp(`${told}(?![a-z-])`).test(code))
    expect(missing).to.deep.equal([])
  })

  it('opens the README with the two commands', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8')
    const commands = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, code]) => code?.trim())
    expect(commands.slice(0, 2)).to.deep.equal(['make serve', 'make mount MNT=~/files'])
  })
})
