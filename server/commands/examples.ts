import type { Command } from 'commander'

/** What the help of each command shows, by its full name. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'coffer-server': [
    'coffer-server serve',
    'coffer-server --data /srv/coffer --port 9443 serve',
    'coffer-server --data /srv/coffer user add anna  # settings come before the command',
  ],
  'coffer-server serve': [
    'coffer-server serve  # https://localhost:8443, for this machine alone',
    'coffer-server --host :: --issuer https://files.example.org:8443 --tls-cert fullchain.pem --tls-key privkey.pem serve',
    'COFFER_DATA=/srv/coffer COFFER_LOG_LEVEL=debug coffer-server serve',
  ],
  'coffer-server user': [
    'coffer-server user add anna',
    'coffer-server user list',
    'coffer-server user disable anna',
  ],
  'coffer-server user add': [
    'coffer-server user add anna',
    'coffer-server user add --name "Anna Lee" --email anna@example.org anna',
    'coffer-server user add --password-stdin anna < password.txt',
  ],
  'coffer-server user passwd': [
    'coffer-server user passwd anna',
    'coffer-server user passwd --password-stdin anna < password.txt',
  ],
  'coffer-server user list': ['coffer-server user list'],
  'coffer-server user quota': [
    'coffer-server user quota anna',
    'coffer-server user quota anna --bytes 20G --files 100000',
    'coffer-server user quota anna --bytes none',
  ],
  'coffer-server user disable': ['coffer-server user disable anna'],
  'coffer-server user enable': ['coffer-server user enable anna'],
  'coffer-server user remove': ['coffer-server user remove --delete-files anna'],
  'coffer-server client': [
    'coffer-server client add --redirect-uri https://app.example.org/callback "My application"',
    'coffer-server client list',
  ],
  'coffer-server client add': [
    'coffer-server client add --redirect-uri https://app.example.org/callback "My application"',
    'coffer-server client add --type native --auth none --redirect-uri http://127.0.0.1/callback "My tool"',
    'coffer-server client add --grant client_credentials --scope "file.read file.write" Nightly',
    'coffer-server client add --metadata < metadata.json',
  ],
  'coffer-server client list': ['coffer-server client list'],
  'coffer-server client remove': ['coffer-server client remove 8f1XwQ2m'],
  'coffer-server key': ['coffer-server key list', 'coffer-server key rotate'],
  'coffer-server key list': ['coffer-server key list'],
  'coffer-server key rotate': ['coffer-server key rotate'],
  'coffer-server audit': [
    'coffer-server audit list --user anna --since 2026-11-23',
    'coffer-server audit verify',
  ],
  'coffer-server audit list': [
    'coffer-server audit list --limit 20',
    'coffer-server audit list --user anna --event login --since 2026-11-23',
  ],
  'coffer-server audit verify': ['coffer-server audit verify'],
  'coffer-server fsck': [
    'coffer-server fsck',
    'coffer-server fsck --repair  # with the server stopped',
  ],
  'coffer-server backup': [
    'coffer-server backup /mnt/backup',
    'coffer-server backup --verify /mnt/backup  # reads all of it, and finds rotten bytes',
  ],
  'coffer-server restore': [
    'coffer-server restore /mnt/backup',
    'coffer-server --data /srv/coffer restore /mnt/backup',
  ],
  'coffer-server unit': [
    'mkdir -p ~/.config/systemd/user',
    'coffer-server unit > ~/.config/systemd/user/coffer.service',
    'systemctl --user enable --now coffer',
    'loginctl enable-linger  # keeps it from the start of the machine on, and when you log out',
    'sudo useradd --system --user-group coffer  # for a unit of the machine',
    'coffer-server --host :: --issuer https://files.example.org:8443 unit --system > coffer.service',
    'sudo install -m 644 coffer.service /etc/systemd/system',
    'sudo systemctl enable --now coffer',
  ],
  'coffer-server import': [
    'coffer-server import anna /home/anna/Documents',
    'coffer-server import anna photos --into /Pictures  # a folder that she has',
  ],
  'coffer-server export': [
    'coffer-server export anna /mnt/files-of-anna',
    'coffer-server export anna photos --from /Pictures',
  ],
}

/** @throws if somebody adds a command and no example */
export function showExamples(command: Command, before = ''): void {
  const name = `${before}${command.name()}`
  const lines = EXAMPLES[name]
  if (lines === undefined) throw new Error(`"${name}" shows no example in its help`)
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`)
  for (const part of command.commands) showExamples(part, `${name} `)
}
