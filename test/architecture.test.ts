import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { expect } from 'chai'
import { removeDirectory, temporaryDirectory } from './support/directory.js'
import { root } from './support/process.js'

/** The files in a room; a file is one by itself. */
function inside(room: string): string {
  return room.endsWith('.ts') ? room.replace('.', '\\.') : `${room}/.*`
}

/** What a room of the authorization server may import: itself, these rooms, and what stands beside index.ts. */
function oauth(...rooms: readonly string[]): RegExp {
  const beside = '(?!index|context)[a-z-]+\\.ts'
  return new RegExp(`^oauth/(${[...rooms.map(inside), beside].join('|')})$`)
}

/** What a room of the server may import: itself, and these rooms and files beside main.ts; of `oauth` what it shows. */
function server(...rooms: readonly string[]): RegExp {
  const shown = rooms.includes('oauth') ? '|^oauth/index\\.ts$' : ''
  return new RegExp(`^server/(${rooms.join('|')})(/.*|\\.ts)$${shown}`)
}

/** What a part of the database may import: itself, these, and the files beside database.ts. */
function database(...rooms: readonly string[]): RegExp {
  return new RegExp(
    `^server/database/((${rooms.join('|')})/.*|[a-z-]+\\.ts)$|^server/bounded-map\\.ts$|^oauth/index\\.ts$`,
  )
}

/** What a room of the engine may import: itself, these, the contract, and what stands below the engine. */
function engine(...rooms: readonly string[]): RegExp {
  const contract = ['storage', 'changes', 'name-guard', 'path', 'failure']
  const own = [...rooms, ...contract].map((name) => `storage/${name}`)
  return server(...own, 'database', 'wire', 'errors')
}

/** What a room of the file API may import: itself, these, and what stands below the API. */
function api(...rooms: readonly string[]): RegExp {
  const own = rooms.map((room) => `api/${room}`)
  return server(...own, 'locks', 'storage', 'http', 'connections', 'oauth', 'wire', 'errors')
}

/** What a room of the client may import: itself, these rooms, what stands beside main.ts, and what both sides agree on. */
function client(...rooms: readonly string[]): RegExp {
  const beside = '(?!main|cli|told)[a-z-]+\\.ts'
  const agreed = '^server/((bounded-map|systemd-quoting)\\.ts|wire/.*)$|^oauth/pkce\\.ts$'
  return new RegExp(`^client/(${[...rooms.map(inside), beside].join('|')})$|${agreed}`)
}

/** What a room of the mounted file system may import: itself, these rooms, what stands beside operations.ts, and other rooms of the client. */
function fs(...rooms: readonly string[]): RegExp {
  const beside = 'fs/(?!operations|mount-state)[a-z-]+\\.ts'
  const others = client('fuse', 'cache', 'remote').source
  return new RegExp(
    `^client/(${[...rooms.map((room) => `fs/${inside(room)}`), beside].join('|')})$|${others}`,
  )
}

/** Which of our files may be imported from where: the first row that matches the importing file holds. */
const MAY_IMPORT: readonly [from: RegExp, ours: RegExp][] = [
  [/^oauth\/pkce\.ts$/, /^$/],
  [/^oauth\/index\.ts$/, /^oauth\//],
  [/^oauth\/jose\//, oauth('jose')],
  [/^oauth\/keys\//, oauth('keys', 'jose')],
  [/^oauth\/context\.ts$/, oauth('keys', 'jose')],
  [/^oauth\/http\//, oauth('http', 'context.ts', 'jose')],
  [/^oauth\/tokens\//, oauth('tokens', 'http', 'context.ts', 'jose')],
  [/^oauth\/clients\//, oauth('clients', 'tokens', 'http', 'context.ts', 'jose')],
  [
    /^oauth\/resource-server\//,
    oauth('resource-server', 'clients', 'tokens', 'http', 'context.ts', 'jose'),
  ],
  [/^oauth\/grants\//, oauth('grants', 'clients', 'tokens', 'http', 'context.ts')],
  [/^oauth\/authorization\//, oauth('authorization', 'clients', 'tokens', 'http', 'context.ts')],
  [/^oauth\/endpoints\//, /^oauth\/(?!index|pages\/)/],
  [/^oauth\/pages\//, /^oauth\/(?!index)/],
  [/^oauth\//, oauth()],
  [/^server\/(bounded-map|sd-notify|systemd-quoting)\.ts$/, /^$/],
  [/^server\/wire\//, server('wire')],
  [/^server\/http\//, server('http', 'wire', 'errors')],
  [/^server\/database\/schema\//, /^$/],
  [/^server\/database\/files\//, database('files')],
  [/^server\/database\/oauth\//, database('oauth')],
  [/^server\/database\/accounts\//, database('accounts', 'oauth')],
  [/^server\/database\//, database('schema')],
  [/^server\/storage\/disk\//, engine('disk')],
  [/^server\/storage\/parts\//, engine('parts', 'disk')],
  [/^server\/storage\/content\//, engine('content', 'parts', 'disk')],
  [/^server\/storage\/inodes\//, engine('inodes', 'content', 'parts')],
  [/^server\/storage\/names\//, engine('names', 'inodes', 'content', 'parts')],
  [/^server\/storage\/bytes\//, engine('bytes', 'inodes', 'content', 'parts', 'disk')],
  [/^server\/storage\/uploads\//, engine('uploads', 'names', 'inodes', 'content', 'parts', 'disk')],
  [
    /^server\/storage\/maintenance\//,
    engine(
      ...['maintenance', 'uploads', 'names', 'inodes', 'content', 'parts', 'disk'],
      'create-engine',
    ),
  ],
  [
    /^server\/storage\/backup\//,
    engine('backup', 'maintenance', 'content', 'disk', 'create-engine'),
  ],
  [/^server\/storage\/archive\//, engine('archive', 'disk')],
  [/^server\/storage\/(storage|changes|name-guard|path|failure)\.ts$/, engine()],
  [/^server\/storage\//, server('storage', 'database', 'wire', 'errors')],
  [/^server\/locks\//, server('locks', 'storage', 'database', 'wire', 'errors')],
  [/^server\/accounts\//, server('accounts', 'database', 'oauth', 'errors', 'error-of')],
  [/^server\/connections\//, server('connections')],
  [/^server\/api\/exchange\//, api('exchange')],
  [/^server\/api\/input\//, api('input', 'exchange')],
  [/^server\/api\/content\//, api('content', 'exchange')],
  [/^server\/api\/methods\//, api('methods', 'content', 'input', 'exchange')],
  [/^server\/api\/batch\//, api('batch', 'methods', 'input', 'exchange')],
  [/^server\/api\//, api('[a-z-]+')],
  [
    /^server\/site\//,
    server('site', 'accounts', 'database', 'oauth', 'errors', 'headers', 'log', 'turn'),
  ],
  [
    /^server\/requests\//,
    server(
      ...['requests', 'api', 'site', 'accounts', 'storage', 'http', 'connections', 'oauth'],
      ...['wire', 'errors', 'log', 'turn'],
    ),
  ],
  [/^server\/tls\//, server('tls', 'whole-file', 'config', 'error-of')],
  [/^server\//, /^server\/|^oauth\/index\.ts$/],
  [/^client\/http\//, client('http')],
  [/^client\/login\//, client('login', 'http')],
  [/^client\/remote\//, client('remote', 'http')],
  [/^client\/cache\//, client('cache', 'remote')],
  [/^client\/fuse\//, /^client\/(fuse\/.*|[a-z-]+\.ts)$/],
  [/^client\/fs\/content\//, fs('content')],
  [/^client\/fs\/requests\//, fs('requests')],
  [/^client\/fs\/locks\//, fs('locks', 'content')],
  [/^client\/fs\/names\//, fs('names', 'requests', 'content')],
  [/^client\/fs\/open-files\//, fs('open-files', 'names', 'locks', 'content')],
  [/^client\/fs\/invalidation\//, fs('invalidation', 'names', 'locks', 'requests', 'content')],
  [
    /^client\/fs\/mount-state\.ts$/,
    fs('invalidation', 'open-files', 'names', 'locks', 'requests', 'content'),
  ],
  [
    /^client\/fs\/operations\//,
    fs('operations', 'mount-state.ts', 'open-files', 'names', 'content'),
  ],
  [/^client\/fs\/operations\.ts$/, fs('operations', 'mount-state.ts', 'content')],
  [/^client\/fs\//, fs()],
  [/^client\/journal\//, client('journal', 'remote', 'http')],
  [
    /^client\/mount\//,
    client('mount', 'fs', 'fuse', 'journal', 'cache', 'login', 'remote', 'http'),
  ],
  [/^client\/completion\//, client('completion')],
  [/^client\/commands\//, client('[a-z]+')],
  [/^client\/(main|cli|told)\.ts$/, /^client\/|^server\/(sd-notify\.ts$|wire\/)/],
  [/^client\//, client()],
  [/^test\/oauth\//, /^(test|oauth)\//],
  [/^test\//, /./],
]

/** Packages that one file alone, or one part alone, may know. */
const ONLY_IN: Readonly<Record<string, RegExp>> = {
  'fuse-native': /^client\/fuse\/fuse-native\.ts$/,
  koffi: /^client\/koffi\.ts$|^server\/storage\/disk\/sparse-calls\.ts$/,
  keytar: /^client\/login\/keyring-process\.ts$/,
  got: /^client\/http\/api\.ts$/,
  express:
    /^oauth\/pages\/router\.ts$|^server\/((accounts|requests|site)\/.*|(app|headers|turn)\.ts)$/,
}

/** Lines a file may have without a reason. Suites are tables, and longer. */
const CEILING = { source: 300, suite: 500 } as const

/** Longer files, each with its reason. */
const LONG: Readonly<Record<string, string>> = {
  'server/storage/storage.ts': 'the whole contract of the engine, mostly prose',
  'test/server/storage/contract.ts': 'the whole contract of Storage, a function of its constructor',
  'server/locks/user-locks.ts':
    'one state machine: what the clients of one user hold, want, and are let decide',
  'client/fs/locks/locks.ts':
    "the other end of the server's locks: what programs hold, and what we are let decide",
  'test/client/fs/operations.test.ts': 'one case or more for each operation of fuse(4)',
}

function imports(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  const statements = code.matchAll(
    /(?:^|\n)\s*(?:import|export)\s+(?:type\s)?(?:[\w*{}\s,$]*?from\s+)?'([^']+)'/g,
  )
  const calls = code.matchAll(/\b(?:import|require)\(\s*'([^']+)'\s*\)/g)
  return [...statements, ...calls].map(([, specifier = '']) => specifier)
}

/** What is wrong with the imports of one file, each as "file → import: why". */
function strayImports(file: string, source: string): string[] {
  const allowed = MAY_IMPORT.find(([from]) => from.test(file))?.[1]
  return imports(source).flatMap((specifier) => {
    const stray = (why: string): string[] => [`${file} → ${specifier}: ${why}`]
    if (specifier.startsWith('.')) {
      const target = join(dirname(file), specifier).replace(/\.js$/, '.ts')
      return allowed?.test(target) ? [] : stray('not in the table of imports')
    }
    const name = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/')
    const only = ONLY_IN[name]
    if (only === undefined || only.test(file) || file.startsWith('test/')) return []
    return stray(`only ${only.source} may know ${name}`)
  })
}

/** The files that are loaded whenever this one is. */
async function loadedWith(file: string, loaded = new Set<string>()): Promise<Set<string>> {
  loaded.add(file)
  const source = await readFile(join(root, file), 'utf8')
  for (const [, specifier = ''] of source.matchAll(
    /^(?!import type).*\b(?:from|import) '(\.[^']+)'$/gm,
  )) {
    const target = join(dirname(file), specifier).replace(/\.js$/, '.ts')
    if (!loaded.has(target)) await loadedWith(target, loaded)
  }
  return loaded
}

async function sources(directory: string, ending: RegExp): Promise<[file: string, text: string][]> {
  const parts = ['oauth', 'server', 'client', 'test', 'views']
  const found = await Promise.all(
    parts.map((part) =>
      readdir(join(directory, part), { recursive: true, withFileTypes: true }).catch(() => []),
    ),
  )
  const files = found.flat().filter((entry) => entry.isFile() && ending.test(entry.name))
  return Promise.all(
    files.map(async (entry): Promise<[string, string]> => {
      const path = join(entry.parentPath, entry.name)
      return [relative(directory, path), await readFile(path, 'utf8')]
    }),
  )
}

async function strayEdges(directory: string): Promise<string[]> {
  return (await sources(directory, /\.ts$/)).flatMap(([file, text]) => strayImports(file, text))
}

describe('the architecture', () => {
  it('has no import outside the table', async () => {
    expect(await strayEdges(root)).to.deep.equal([])
  })

  describe('when a file imports what it must not', () => {
    const stray: [file: string, line: string][] = [
      ['oauth/endpoints/token.ts', `import { FileError } from '../../server/errors.js'`],
      ['oauth/endpoints/token.ts', `import type { Request } from 'express'`],
      ['oauth/errors.ts', `import { authorizationServer } from './index.js'`],
      ['oauth/errors.ts', `import type { Context } from './context.js'`],
      ['oauth/context.ts', `import { Parameters } from './http/parameters.js'`],
      ['oauth/jose/compact-jws.ts', `import type { Context } from '../context.js'`],
      ['oauth/keys/keys.ts', `import type { Context } from '../context.js'`],
      ['oauth/http/body.ts', `import { parseScope } from '../tokens/scope.js'`],
      ['oauth/tokens/scope.ts', `import { mustPush } from '../clients/client-policy.js'`],
      ['oauth/clients/dpop.ts', `import { refusal } from '../resource-server/bearer.js'`],
      ['oauth/resource-server/bearer.ts', `import { push } from '../authorization/pushed.js'`],
      ['oauth/grants/refresh-token.ts', `import { token } from '../endpoints/token.js'`],
      ['oauth/grants/request.ts', `import { refusal } from '../resource-server/bearer.js'`],
      ['oauth/authorization/pushed.ts', `import { token } from '../endpoints/token.js'`],
      ['oauth/endpoints/token.ts', `import { pagesOf } from '../pages/flow.js'`],
      ['oauth/pages/flow.ts', `import { authorizationServer } from '../index.js'`],
      ['oauth/pkce.ts', `import { equal } from './secrets.js'`],
      ['server/app.ts', `import { challenge } from '../oauth/pkce.js'`],
      ['server/app.ts', `import { mount } from '../client/mount/mount.js'`],
      ['server/storage/tree.ts', `import { parseRange } from '../http/range.js'`],
      ['server/storage/tree.ts', `import express from 'express'`],
      ['server/storage/storage.ts', `import { UserTree } from './tree.js'`],
      ['server/storage/disk/contents.ts', `import type { Engine } from '../parts/context.js'`],
      ['server/storage/parts/room.ts', `import { inodeRow } from '../inodes/access.js'`],
      ['server/storage/content/undo.ts', `import { inodeRow } from '../inodes/access.js'`],
      ['server/storage/inodes/inode.ts', `import { create } from '../names/create.js'`],
      ['server/storage/names/names.ts', `import { write } from '../bytes/write.js'`],
      ['server/storage/bytes/write.ts', `import { upload } from '../uploads/upload.js'`],
      [
        'server/storage/uploads/upload.ts',
        `import { sweepContents } from '../maintenance/sweep.js'`,
      ],
      ['server/storage/maintenance/fsck.ts', `import { restore } from '../backup/restore.js'`],
      ['server/storage/backup/backup.ts', `import { openStorage } from '../engine.js'`],
      ['server/storage/archive/tar.ts', `import type { Engine } from '../parts/context.js'`],
      ['server/database/schema/files.ts', `import type { Database } from '../database.js'`],
      ['server/database/files/changes.ts', `import { audit } from '../accounts/audit.js'`],
      ['server/database/oauth/codes.ts', `import { audit } from '../accounts/audit.js'`],
      ['server/database/accounts/audit.ts', `import { statements } from '../files/statements.js'`],
      ['server/database/full-disk.ts', `import { statements } from './files/statements.js'`],
      [
        'server/database/files/statements.ts',
        `import { storagePath } from '../../storage/path.js'`,
      ],
      ['server/locks/locks.ts', `import { fileRoutes } from '../api/files.js'`],
      ['server/accounts/accounts.ts', `import type { Site } from '../site/site.js'`],
      ['server/connections/listen.ts', `import { ahead } from '../requests/ahead.js'`],
      ['server/api/files.ts', `import type { Accounts } from '../accounts/accounts.js'`],
      ['server/api/exchange/answer.ts', `import { readBody } from '../input/body.js'`],
      ['server/api/input/body.ts', `import { read } from '../methods/read.js'`],
      ['server/api/content/content.ts', `import { readBody } from '../input/body.js'`],
      ['server/api/methods/read.ts', `import { batch } from '../batch/batch.js'`],
      ['server/api/batch/batch.ts', `import { fileRoutes } from '../files.js'`],
      ['server/api/files.ts', `import express from 'express'`],
      ['server/site/login.ts', `import { ahead } from '../requests/ahead.js'`],
      ['server/requests/ahead.ts', `import { createApp } from '../app.js'`],
      ['server/tls/files.ts', `import { main } from '../main.js'`],
      ['server/http/range.ts', `import { storagePath } from '../storage/path.js'`],
      ['server/wire/inodes.ts', `export { FileError } from '../errors.js'`],
      ['client/http/api.ts', `import { storagePath } from '../../server/storage/path.js'`],
      ['client/http/api.ts', `import { Session } from '../login/session.js'`],
      ['client/fuse/session.ts', `import { NAME_MAX } from '../../server/wire/inodes.js'`],
      ['client/fs/operations.ts', `import { runMount } from '../mount/mount.js'`],
      ['client/fs/operations.ts', `import type { View } from './names/view.js'`],
      ['client/fs/answer.ts', `import type { MountState } from './mount-state.js'`],
      ['client/fs/mount-state.ts', `import { ownership } from './operations/creation.js'`],
      ['client/fs/content/content.ts', `import type { View } from '../names/view.js'`],
      ['client/fs/requests/unawaited.ts', `import { Nodes } from '../content/nodes.js'`],
      ['client/fs/locks/locks.ts', `import { Handles } from '../open-files/handles.js'`],
      ['client/fs/names/names.ts', `import { Lease } from '../locks/lease.js'`],
      ['client/fs/open-files/handles.ts', `import { Unawaited } from '../requests/unawaited.js'`],
      ['client/fs/invalidation/coherence.ts', `import { Handles } from '../open-files/handles.js'`],
      ['client/fs/operations/opening.ts', `import { fileSystem } from '../operations.js'`],
      ['client/config.ts', `import { commandLine } from './cli.js'`],
      ['client/login/login.ts', `import got from 'got'`],
      ['client/main.ts', `const { setPassword } = await import('keytar')`],
      ['client/fuse/session.ts', `import koffi from 'koffi'`],
      ['test/oauth/token.test.ts', `import { createApp } from '../../server/app.js'`],
    ]
    for (const [file, line] of stray) {
      it(`sees ${file}: ${line}`, async () => {
        const directory = await temporaryDirectory('architecture')
        await mkdir(dirname(join(directory, file)), { recursive: true })
        await writeFile(join(directory, file), `/** A file. */\n${line}\n`)
        expect(await strayEdges(directory)).to.have.length(1)
        await removeDirectory(directory)
      })
    }
  })

  it('loads what few starts need only when it is needed', async () => {
    const loaded = [
      ...(await loadedWith('client/main.ts')),
      ...(await loadedWith('server/main.ts')),
    ]
    expect(loaded).to.include.members(['client/cli.ts', 'server/tls/context.ts'])
    const few =
      /^client\/(http\/api|mount\/log|mount\/mount|commands\/.*)\.ts$|^server\/tls\/authority\.ts$/
    expect(loaded.filter((file) => few.test(file))).to.deep.equal([])
  })

  it('has no file beyond the ceiling without a reason', async () => {
    const long = (await sources(root, /\.ts$/)).filter(([file, text]) => {
      const most = file.startsWith('test/') ? CEILING.suite : CEILING.source
      return text.trimEnd().split('\n').length > most && LONG[file] === undefined
    })
    expect(long.map(([file]) => file)).to.deep.equal([])
  })

  it('has no barrel but oauth/index.ts', async () => {
    const barrels = (await sources(root, /^index\.ts$/)).map(([file]) => file)
    expect(barrels.filter((file) => file !== 'oauth/index.ts')).to.deep.equal([])
  })

  it('escapes everything in the pages: "<%-" is for include() alone', async () => {
    const raw = (await sources(root, /\.ejs$/)).flatMap(([file, text]) =>
      [...text.matchAll(/<%-(?!\s*include\()[^%]*%>/g)].map(([tag]) => `${file}: ${tag}`),
    )
    expect(raw).to.deep.equal([])
  })

  it('reads the environment and the arguments in main.ts alone', async () => {
    const readers = (await sources(root, /\.ts$/)).filter(
      ([file, text]) => !/^test\/|\/main\.ts$/.test(file) && /process\.(env|argv)\b/.test(text),
    )
    expect(readers.map(([file]) => file)).to.deep.equal([])
  })

  it('names no registry host in the lock file', async () => {
    const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { resolved?: string }>
    }
    const named = Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined)
    expect(named.map(([name]) => name)).to.deep.equal([])
    expect(Object.keys(lock.packages)).to.have.length.above(100)
  })

  it('lets every package that has an install script run it, and no other', async () => {
    const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { hasInstallScript?: boolean }>
    }
    const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      allowScripts: Record<string, boolean>
    }
    const scripted = Object.entries(lock.packages)
      .filter(([name, entry]) => entry.hasInstallScript === true && !name.endsWith('/fsevents'))
      .map(([name]) => name.replace(/^.*node_modules\//, ''))
    expect(Object.keys(manifest.allowScripts).sort()).to.deep.equal([...new Set(scripted)].sort())
  })
})
