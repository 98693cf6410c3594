import { join } from 'node:path'
import { root } from './process.js'

/** The two programs, from the sources, or as `make build` leaves them. */
export type Form = 'sources' | 'built'

/** An absolute address: the programs start themselves again from other directories. */
const TSX = import.meta.resolve('tsx')

/** The parameters for node(1) that run a program. */
export function program(part: 'client' | 'server', form: Form = 'sources'): string[] {
  return form === 'built'
    ? ['--enable-source-maps', join(root, 'dist', part, 'main.js')]
    : ['--import', TSX, join(root, part, 'main.ts')]
}
