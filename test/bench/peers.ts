import { mkdir, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileApi } from '../support/files.js'
import { login } from '../support/login.js'
import { isMounted, machine } from '../support/mount.js'
import { type Running, run, start } from '../support/process.js'
import { installed } from '../support/requires.js'
import { startServer } from '../support/server.js'
import { until } from '../support/until.js'

/** A mounted file system to measure. */
export interface Peer {
  readonly directory: string
  /** Resolves once the server has everything, where close(2) does not wait for that. */
  stored?(): Promise<void>
  /** How many bytes of a file, by its path below `directory`, the server has now. */
  onServer?(path: string): Promise<number>
  /** Everything stored, nothing cached. */
  remount(): Promise<void>
  /** Uses the same files through another mount, where one hears of what is new in the other. */
  elsewhere?(use: (directory: string) => Promise<unknown>): Promise<void>
  close(): Promise<void>
}

/** The way to a port of this machine: the port at its near end. */
export type Way = (port: number) => Promise<number>

/** How each is brought up in a directory of its own, with a way between client and server; undefined where it is not installed. */
export const PEERS: Readonly<
  Record<string, (work: string, way: Way) => Promise<Peer | undefined>>
> = {
  local: async (work) => ({
    directory: work,
    remount: async () => {},
    elsewhere: async (use) => {
      await use(work)
    },
    close: async () => {},
  }),

  coffer: async (_, way) => {
    const port = await freePort()
    const env = {
      COFFER_PORT: String(port),
      COFFER_ISSUER: `https://localhost:${await way(port)}`,
    }
    const server = await startServer({ form: 'built', env })
    const home = await machine(server, { form: 'built' })
    let mount = await home.mount()
    const { access_token } = await login(server)
    const api = fileApi(server, access_token)
    return {
      directory: mount.directory,
      onServer: async (path) =>
        Number((await api.send('HEAD', `/files/${path}`)).headers['content-length'] ?? 0),
      remount: async () => {
        await mount.unmount()
        mount = await home.mount()
      },
      elsewhere: async (use) => {
        const other = await machine(server, { form: 'built' })
        await use((await other.mount()).directory)
        await other.remove()
      },
      close: async () => {
        api.close()
        await home.remove()
        await server.remove()
      },
    }
  },

  /** SFTP with the cipher that is fastest here, through a server of its own. */
  sshfs: async (work, way) => {
    const sshd = installed('sshd') ?? installed('../sbin/sshd')
    if (installed('sshfs') === undefined || sshd === undefined) return undefined
    const [data, directory] = await directories(work)
    const port = await freePort()
    for (const key of ['host', 'user'])
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(work, key)])
    await mkdir('/run/sshd', { recursive: true }).catch(() => {})
    const option = (text: string): string[] => ['-o', text]
    const server = start(sshd, [
      ...['-D', '-e', '-f', '/dev/null', '-p', `${port}`, '-h', join(work, 'host')],
      ...option('ListenAddress=127.0.0.1'),
      ...option(`AuthorizedKeysFile=${join(work, 'user.pub')}`),
      ...option('StrictModes=no'),
      ...option('PidFile=none'),
      ...option('PermitRootLogin=yes'),
      ...option('Subsystem=sftp internal-sftp'),
    ])
    await server.printed(/Server listening/)
    const near = await way(port)
    const mount = async (at = directory): Promise<void> => {
      await run('sshfs', [
        ...['-p', `${near}`, `${process.env.USER ?? 'root'}@127.0.0.1:${data}`, at],
        ...option(`IdentityFile=${join(work, 'user')}`),
        ...option('StrictHostKeyChecking=no'),
        ...option('UserKnownHostsFile=/dev/null'),
        ...option('Ciphers=aes128-gcm@openssh.com'),
      ])
    }
    await mount()
    return {
      ...mounted({ data, directory }, mount, () => server.stop()),
      elsewhere: async (use) => {
        const other = join(work, 'other')
        await mkdir(other, { recursive: true })
        await mount(other)
        await use(other)
        await run('fusermount3', ['-u', other])
      },
    }
  },

  /** WebDAV over TLS with the full cache: the mode that passes most programs. */
  rclone: async (work, way) => {
    if (installed('rclone') === undefined) return undefined
    const [data, directory] = await directories(work)
    const port = await freePort()
    const [key, cert] = [join(work, 'key.pem'), join(work, 'cert.pem')]
    await run('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-days', '2', '-subj', '/CN=localhost', '-keyout', key, '-out', cert],
    ])
    await writeFile(join(work, 'rclone.conf'), '')
    const config = ['--config', join(work, 'rclone.conf')]
    const server = start('rclone', [
      ...['serve', 'webdav', data, '--addr', `127.0.0.1:${port}`, '--cert', cert, '--key', key],
      ...['--user', 'u', '--pass', 'p', ...config],
    ])
    await server.printed(/serve|Serving|started/i)
    const near = await way(port)
    const pass = (await run('rclone', ['obscure', 'p'])).trim()
    const control = `127.0.0.1:${await freePort()}`
    let mounting: Running | undefined
    const mount = async (): Promise<void> => {
      mounting = start('rclone', [
        ...['mount', ':webdav:', directory, '--webdav-url', `https://127.0.0.1:${near}`],
        ...['--webdav-user', 'u', '--webdav-pass', pass, '--no-check-certificate'],
        ...['--vfs-cache-mode', 'full', '--vfs-write-back', '0s', ...config],
        ...['--cache-dir', join(work, 'cache'), '--rc', '--rc-no-auth', '--rc-addr', control],
      ])
      await until('rclone has mounted', () => isMounted(directory), 60_000)
    }
    await mount()
    /** It uploads after close, and its unmount does not wait. */
    const uploaded = async (): Promise<void> => {
      await until(
        'rclone has uploaded everything',
        async () => {
          const stats = await run('rclone', ['rc', '--url', `http://${control}`, 'vfs/stats'])
          return /"uploadsInProgress": 0,/.test(stats) && /"uploadsQueued": 0\b/.test(stats)
        },
        300_000,
      )
    }
    return mounted({ data, directory }, mount, () => server.stop(), {
      stored: uploaded,
      // until then it has the port of its control and writes into its cache
      ended: async () => mounting?.ended,
      cache: join(work, 'cache'),
    })
  },
}

function mounted(
  { data, directory }: { readonly data: string; readonly directory: string },
  mount: () => Promise<void>,
  stop: () => Promise<void>,
  late?: {
    readonly stored: () => Promise<void>
    readonly ended: () => Promise<void>
    readonly cache: string
  },
): Peer {
  const unmount = async (): Promise<void> => {
    await late?.stored()
    // some of them are busy for a while after the last close
    await until(
      `${directory} is unmounted`,
      async () => {
        await run('fusermount3', ['-u', directory]).catch(() => {})
        return !(await isMounted(directory))
      },
      60_000,
    )
    if (late === undefined) return
    await late.ended()
    await run('rm', ['-rf', late.cache])
  }
  return {
    directory,
    stored: async () => late?.stored(),
    onServer: async (path) => {
      const found = await stat(join(data, path)).catch(() => undefined)
      return found?.size ?? 0
    },
    remount: async () => {
      await unmount()
      await mount()
    },
    close: async () => {
      await unmount()
      await stop()
    },
  }
}

async function directories(work: string): Promise<[data: string, mount: string]> {
  const made = [join(work, 'data'), join(work, 'mount')] as const
  for (const path of made) await mkdir(path, { recursive: true })
  return [...made]
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0))
    })
  })
}
