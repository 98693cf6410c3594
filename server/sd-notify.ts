import { spawn } from 'node:child_process'

/** sd_notify(3): under systemd, "started" means that it can be used. */
export function notifyReady(environment: Readonly<Record<string, string | undefined>>): void {
  if (environment.NOTIFY_SOCKET === undefined) return
  spawn('systemd-notify', ['--ready'], { stdio: 'ignore' }).once('error', () => {})
}
