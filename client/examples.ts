import type { Command } from 'commander'

/** What the help of each command shows, by its name; the program's own stand under "coffer". */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  coffer: [
    'coffer login https://files.example.org',
    'coffer mount https://files.example.org ~/files',
    'coffer status',
    'coffer unmount ~/files',
  ],
  login: [
    'coffer login https://files.example.org',
    'coffer login --device https://files.example.org  # no browser on this machine',
    'coffer login --read-only --device-name kiosk https://files.example.org',
    'coffer login --ca ca.pem https://files.example.org  # a certificate of your own authority',
  ],
  logout: [
    'coffer logout https://files.example.org',
    'coffer logout  # from the server of $COFFER_SERVER',
  ],
  mount: [
    'coffer mount ~/files  # the server of $COFFER_SERVER',
    'coffer mount https://files.example.org ~/files',
    'coffer mount --remote /photos --read-only https://files.example.org ~/photos',
    'coffer mount --limit-rate 500k:4M ~/files  # slow uploads, faster downloads',
    'coffer mount --cache-dir ~/.cache/coffer --cache-size 20G ~/files',
    'coffer mount --write-back ~/files  # close files at once, send them behind',
    'sudo coffer mount --allow-other --uid 1000 --gid 1000 --umask 077 ~/files',
  ],
  unmount: [
    'coffer unmount ~/files',
    'coffer unmount --force ~/files  # the server does not come back',
  ],
  status: [
    'coffer status',
    'coffer status --watch',
    "coffer status --json | jq '.mounts[].pending'",
    'coffer status > /dev/null || echo "a mount needs a look"',
  ],
  list: ['coffer list', 'coffer list | cut -f1  # the directories alone'],
  damaged: ['coffer damaged', 'coffer damaged --remove  # when nothing of it is needed any more'],
  unit: [
    'mkdir -p ~/.config/systemd/user',
    'coffer unit https://files.example.org ~/files > ~/.config/systemd/user/files.service',
    'systemctl --user enable --now files',
    'loginctl enable-linger  # keeps it from the start of the machine on, and when you log out',
  ],
  completion: [
    'source <(coffer completion bash)  # in ~/.bashrc',
    'source <(coffer completion zsh)  # in ~/.zshrc, after compinit',
    'coffer completion fish > ~/.config/fish/completions/coffer.fish',
  ],
}

/** @throws if somebody adds a command and no example */
export function showExamples(program: Command): void {
  for (const command of [program, ...program.createHelp().visibleCommands(program)]) {
    const lines = EXAMPLES[command.name()]
    if (command.name() === 'help') continue
    if (lines === undefined) throw new Error(`"${command.name()}" shows no example in its help`)
    command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`)
  }
}
