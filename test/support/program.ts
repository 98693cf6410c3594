import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './process.js'

/** The two programs, from the sources, or as `make build` leaves them. */
export type Form = 'sources' | 'built'

/** An absolute address: the programs start themselves again from other directories. */
const TSX = import.meta.resolve('tsx')

/** What `make build` builds from. */
const SOURCES = ['client', 'oauth', 'server', 'views', 'tsconfig.json']

/**
 * The built form where it is that of the sources, for it starts in a third of the processor time;
 * but coverage (c8) is that of the sources.
 */
const CURRENT: Form =
  process.env.NODE_V8_COVERAGE === undefined && isBuiltSince(SOURCES) ? 'built' : 'sources'

/** The parameters for node(1) that run a program. */
export function program(part: 'client' | 'server', form: Form = CURRENT): string[] {
  return form === 'built'
    ? ['--enable-source-maps', join(root, 'dist', part, 'main.js')]
    : ['--import', TSX, join(root, part, 'main.ts')]
}

function isBuiltSince(sources: readonly string[]): boolean {
  const built = statSync(join(root, 'dist', '.built'), { throwIfNoEntry: false })
  return built !== undefined && sources.every((name) => lastChange(name) <= built.mtimeMs)
}

/** Of a file, or of a directory and all below: a file that is removed changes its directory. */
function lastChange(name: string): number {
  const path = join(root, name)
  const found = statSync(path)
  if (!found.isDirectory()) return found.mtimeMs
  const below = readdirSync(path).map((entry) => lastChange(join(name, entry)))
  return Math.max(found.mtimeMs, ...below)
}
