import { spawn } from 'node:child_process'
import type { Environment } from '../config.js'

/** The program that opens an address on this system, or nothing where there is no screen. */
function opener(platform: NodeJS.Platform, environment: Environment): string | undefined {
  if (platform === 'darwin') return 'open'
  return environment.DISPLAY || environment.WAYLAND_DISPLAY ? 'xdg-open' : undefined
}

/** Opens the user's browser if there is one. Never fails: the address is printed as well. */
export function openBrowser(
  url: string,
  platform: NodeJS.Platform,
  environment: Environment,
): void {
  const program = opener(platform, environment)
  if (program === undefined) return
  const child = spawn(program, [url], { stdio: 'ignore', detached: true })
  child.once('error', () => {})
  child.unref()
}
