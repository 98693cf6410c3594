import { described, quoted, quotedCommand } from '../../server/systemd-quoting.js'
import { LOGIN_NEEDED_STATUS } from '../command-error.js'

/** A unit for systemd's user manager that keeps a mount: `systemctl --user enable --now NAME` starts it with the session. */
export function systemdUnit(
  command: readonly string[],
  url: string,
  directory: string,
  settings: Readonly<Record<string, string>>,
): string {
  // The user manager has no network-online.target to wait for: the command waits, and is started again.
  const start = [...command, 'mount', '--foreground', '--no-login', '--wait', '60', url, directory]
  return `[Unit]
Description=Coffer: ${url} on ${described(directory)}
Documentation=https://www.freedesktop.org/software/systemd/man/systemd.service.html

[Service]
Type=notify
NotifyAccess=all
${environment(settings)}ExecStart=${quotedCommand(start)}
Restart=on-failure
RestartSec=10
RestartPreventExitStatus=${LOGIN_NEEDED_STATUS}
TimeoutStartSec=90
TimeoutStopSec=120

[Install]
WantedBy=default.target
`
}

/** Where logins are, and what is trusted, is as it was for whoever asked for the unit. */
function environment(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}\n`)
    .join('')
}
