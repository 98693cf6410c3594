import { CONFIGURATION_STATUS } from './config.js'
import { described, quoted, quotedCommand, withoutSpecifiers } from './systemd-quoting.js'

/** Whose manager keeps the server: that of who asks for the unit, or that of the machine. */
export type Manager = 'user' | 'system'

/** What a unit is made of. Every path is absolute. */
export interface Served {
  /** What starts coffer-server. */
  readonly command: readonly string[]
  /** The flags that it is started with, but the secret. */
  readonly flags: readonly (readonly [flag: string, value: string])[]
  readonly data: string
  readonly secretFile: string | undefined
  readonly port: number
  readonly shutdownGraceSeconds: number
}

/** A unit for systemd that keeps a server. */
export function systemdUnit(served: Served, manager: Manager): string {
  return [
    '[Unit]',
    `Description=Coffer: serves ${described(served.data)}`,
    // The user manager knows neither.
    ...(manager === 'system'
      ? [
          'Wants=network-online.target',
          'After=network-online.target',
          `RequiresMountsFor=${quoted(served.data)}`,
        ]
      : []),
    '',
    '[Service]',
    'Type=notify',
    'NotifyAccess=all',
    `ExecStart=${start(served, manager)}`,
    'ExecReload=/bin/kill -HUP $MAINPID',
    'Restart=on-failure',
    'RestartSec=10',
    `RestartPreventExitStatus=${CONFIGURATION_STATUS}`,
    // An upgrade of the data directory takes as long as it takes; broken off it would begin anew each time.
    'TimeoutStartSec=infinity',
    `TimeoutStopSec=${served.shutdownGraceSeconds + 30}`,
    // The process that hashes passwords is needed until the last request is answered.
    'KillMode=mixed',
    'LimitNOFILE=524288',
    ...(manager === 'system' ? confined(served) : []),
    '',
    '[Install]',
    `WantedBy=${manager === 'system' ? 'multi-user' : 'default'}.target`,
  ].join('\n')
}

function start({ command, flags, secretFile }: Served, manager: Manager): string {
  const given = [...command, ...flags.flat()]
  if (secretFile === undefined) return `${quotedCommand(given)} serve`
  return manager === 'user'
    ? `${quotedCommand([...given, '--secret-file', secretFile])} serve`
    : `${quotedCommand(given)} --secret-file \${CREDENTIALS_DIRECTORY}/secret serve`
}

/** Where homes are, as ProtectHome= has it. */
const HOMES = /^\/(?:home|root|run\/user)\//
const STATE = /^\/var\/lib\/([^/]+)$/

/** A user of its own, to whom nothing can be written but the data directory. */
function confined({ command, flags, data, secretFile, port }: Served): string[] {
  const state = STATE.exec(data)?.[1]
  const needed = [...command, ...flags.map(([, value]) => value)]
  const capability = port > 0 && port < 1024 ? 'CAP_NET_BIND_SERVICE' : ''
  return [
    '',
    'User=coffer',
    ...(state !== undefined && /^[\w.-]+$/.test(state)
      ? [`StateDirectory=${state}`, 'StateDirectoryMode=0700']
      : [`ReadWritePaths=${quoted(data)}`]),
    ...(secretFile === undefined ? [] : [`LoadCredential=secret:${withoutSpecifiers(secretFile)}`]),
    `AmbientCapabilities=${capability}`,
    `CapabilityBoundingSet=${capability}`,
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    `ProtectHome=${needed.some((path) => HOMES.test(path)) ? 'read-only' : 'yes'}`,
    'PrivateTmp=yes',
    'PrivateDevices=yes',
    'ProtectClock=yes',
    'ProtectControlGroups=yes',
    'ProtectHostname=yes',
    'ProtectKernelLogs=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelTunables=yes',
    'ProtectProc=invisible',
    'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX',
    'RestrictNamespaces=yes',
    'RestrictRealtime=yes',
    'LockPersonality=yes',
    'SystemCallArchitectures=native',
    // V8 protects its code by pkey_mprotect(2), and makes it while it runs: no MemoryDenyWriteExecute=.
    'SystemCallFilter=@system-service @pkey',
    'SystemCallErrorNumber=EPERM',
  ]
}
