/** A unit for systemd's user manager that keeps a mount: `systemctl --user enable --now NAME` starts it with the session. */
export function systemdUnit(command: readonly string[], url: string, directory: string): string {
  const start = [...command, 'mount', '--foreground', '--no-login', '--wait', '60', url, directory]
  return `[Unit]
Description=Coffer: ${url} on ${escaped(directory)}
Documentation=https://www.freedesktop.org/software/systemd/man/systemd.service.html
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
NotifyAccess=all
ExecStart=${start.map(quoted).join(' ')}
Restart=on-failure
RestartSec=10
TimeoutStartSec=90
TimeoutStopSec=120

[Install]
WantedBy=default.target
`
}

/** man 5 systemd.service, "Command lines": quoted, backslashes and quotes escaped, "%" and "$" doubled. */
function quoted(argument: string): string {
  const inner = escaped(argument.replaceAll('\\', '\\\\').replaceAll('"', '\\"'))
  return `"${inner.replaceAll('$', '$$$$')}"`
}

function escaped(text: string): string {
  return text.replaceAll('%', '%%')
}
