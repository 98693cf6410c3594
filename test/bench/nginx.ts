import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type Running, run, start } from '../support/process.js'
import { until } from '../support/until.js'

/** nginx on files in a directory, over TLS with Coffer's own certificate; it takes PUT too. One worker, as Coffer is one. */
export interface Nginx {
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

export async function startNginx(
  work: string,
  tls: { readonly certificate: string; readonly key: string; readonly ca: string },
): Promise<Nginx> {
  const port = await freePort()
  const root = join(work, 'files')
  await mkdir(root, { recursive: true })
  const configuration = join(work, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  await writeFile(
    configuration,
    `daemon off; master_process off; worker_processes 1; error_log stderr; pid ${work}/pid;
     ${process.getuid?.() === 0 ? 'user root;' : ''}
     events { worker_connections 1024; }
     http {
       ${temporary.map((name) => `${name}_temp_path ${work}/${name};`).join(' ')}
       access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
       open_file_cache max=1000; client_max_body_size 0;
       server {
         listen 127.0.0.1:${port} ssl;
         ssl_certificate ${tls.certificate}; ssl_certificate_key ${tls.key};
         root ${root};
         location / { dav_methods PUT DELETE; }
       }
     }`,
  )
  const running: Running = start('/usr/sbin/nginx', ['-c', configuration, '-p', work])
  const url = `https://localhost:${port}`
  await until('nginx answers', async () => {
    return run('curl', ['-s', '--cacert', tls.ca, '-o', '/dev/null', url]).then(
      () => true,
      () => false,
    )
  })
  return { url, pid: running.pid, stop: () => running.stop() }
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
