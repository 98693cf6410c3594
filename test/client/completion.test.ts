import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { Command } from 'commander'
import { completion } from '../../client/completion/shells.js'
import { removeDirectory, temporaryDirectory } from '../support/directory.js'
import { outcome, root, run } from '../support/process.js'
import { program } from '../support/program.js'
import { requires } from '../support/requires.js'

describe('coffer completion', function () {
  this.timeout(30_000)

  let directory: string

  before(async () => {
    directory = await temporaryDirectory('completion')
    for (const shell of ['bash', 'zsh', 'fish']) {
      const parameters = [...program('client'), 'completion', shell]
      await writeFile(join(directory, `coffer.${shell}`), await run(process.execPath, parameters))
    }
    await mkdir(join(directory, 'folder'))
    await mkdir(join(directory, 'two words', 'of a name'), { recursive: true })
    await mkdir(join(directory, 'unmount'))
  })
  after(() => removeDirectory(directory))

  /** Types each line into a shell on a terminal, with the key that completes it. */
  async function typed(
    shell: 'bash' | 'zsh',
    script: string,
    words: readonly (readonly [line: string, whole: string])[],
  ): Promise<void> {
    const printed = await run(
      'python3',
      [
        join(root, 'test', 'client', 'complete-in-shell.py'),
        shell,
        `./${script}`,
        ...words.map(([line]) => `coffer ${line}`),
      ],
      { cwd: directory, env: { HOME: directory, TERM: 'dumb', COLUMNS: '200' } },
    )
    const replies = printed.split('\n')
    for (const [at, [line, expected]] of words.entries()) {
      expect(replies[at], line).to.equal(`coffer ${expected}`)
    }
  }

  it('completes commands, options, values and directories in bash', async () => {
    const words: readonly (readonly [line: string, replies: string])[] = [
      ['unm', 'unmount'],
      ['mount', 'mount'],
      ['mount --read', '--read-only'],
      ['mount --cache-d', '--cache-dir'],
      ['mount fol', 'folder'],
      ["mount 'two w'", 'two words'],
      ['serve', ''],
      ['umo', 'umount'],
      ['umount --fo', '--force'],
      ['unmount --', '--force|--help'],
      ["mount --locks ''", 'shared|local'],
      ['mount --locks =', 'shared|local'],
      ['mount --locks = l', 'local'],
      ['mount --ca coffer.b', 'coffer.bash'],
      ["mount --cache-dir ''", 'folder|two words|unmount'],
      ["mount --umask ''", ''],
      ["list ''", ''],
      ["completion ''", 'bash|zsh|fish'],
      ['help lo', 'login|logout'],
    ]
    const lines = words.map(
      ([line]) =>
        `COMP_WORDS=(coffer ${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _coffer; (IFS='|'; echo "\${COMPREPLY[*]}")`,
    )
    const script = ['source coffer.bash', ...lines].join('\n')
    const replies = (await run('bash', ['-c', script], { cwd: directory })).split('\n')
    const sorted = (list: string): string => list.split('|').sort().join('|')
    for (const [at, [line, expected]] of words.entries()) {
      expect(sorted(replies[at] ?? ''), line).to.equal(sorted(expected))
    }
  })

  it('completes what is typed into bash, with names that have to be quoted', async function () {
    requires(this, 'python3')
    await typed('bash', 'coffer.bash', [
      ['unm', 'unmount'],
      ['mount fol', 'mount folder/'],
      ['mount two', 'mount two\\ words/'],
      ['mount --locks l', 'mount --locks local'],
      ['mount --locks=l', 'mount --locks=local'],
      ['mount --cache-dir=fol', 'mount --cache-dir=folder/'],
      ['mount --ca coffer.b', 'mount --ca coffer.bash'],
    ])
  })

  it('completes them in fish', async function () {
    requires(this, 'fish')
    const words: readonly (readonly [line: string, replies: string])[] = [
      ['unm', 'unmount'],
      ['mount --read', '--read-only'],
      ['mount two', 'two words/'],
      ['umo', 'umount'],
      ['umount --fo', '--force'],
      ['unit https://localhost fol', 'folder/'],
      ['unmount unmount --', '--force|--help'],
      ['mount --binding f', 'fuse-native'],
      ['mount --locks=l', '--locks=local'],
      ['mount --ca coffer.b', 'coffer.bash'],
      ['mount --umask ', ''],
      ['list ', ''],
      ['completion ', 'bash|fish|zsh'],
      ['help lo', 'login|logout'],
      ['--', '--help|--version'],
    ]
    const lines = words.map(
      ([line]) => `echo (complete -C 'coffer ${line}' | cut -f1 | string join '|')`,
    )
    const script = ['source coffer.fish', ...lines].join('\n')
    const env = { HOME: directory, XDG_CONFIG_HOME: join(directory, '.config') }
    const printed = await run('fish', ['-c', script], { cwd: directory, env })
    const replies = printed.split('\n')
    for (const [at, [line, expected]] of words.entries()) {
      expect(replies[at], line).to.equal(expected)
    }
  })

  it('completes them in zsh', async function () {
    requires(this, 'zsh', 'python3')
    const words: readonly (readonly [line: string, whole: string])[] = [
      ['unm', 'unmount'],
      ['mount --read', 'mount --read-only'],
      ['mount fol', 'mount folder/'],
      ['umount two\\ words/', 'umount two\\ words/of\\ a\\ name/'],
      ['umount --fo', 'umount --force'],
      ['mount --binding f', 'mount --binding fuse-native'],
      ['mount --locks=l', 'mount --locks=local'],
      ['mount --ca coffer.b', 'mount --ca coffer.bash'],
      ['mount --umask ', 'mount --umask'],
      ['completion b', 'completion bash'],
      ['help logi', 'help login'],
      ['--v', '--version'],
    ]
    await typed('zsh', 'coffer.zsh', words)
  })

  it('completes descriptions of whatever characters in zsh', async function () {
    requires(this, 'zsh', 'python3')
    const odd = new Command('coffer')
    const description = `a [bracket: it's \\ "$HOME" \`pwd\``
    odd.command('first').description(description).option('--strange', `${description}]`)
    odd.command('second').option('--value <file>', `]${description}`)
    await writeFile(join(directory, 'odd.zsh'), completion(odd, 'zsh'))
    await typed('zsh', 'odd.zsh', [
      ['fir', 'first'],
      ['first --str', 'first --strange'],
      ['second --va', 'second --value='],
      ['second --value coffer.z', 'second --value coffer.zsh'],
    ])
  })

  it('knows no other shell', async () => {
    const { status } = await outcome(process.execPath, [...program('client'), 'completion', 'tcsh'])
    expect(status).to.equal(1)
  })
})
