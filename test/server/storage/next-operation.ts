import type { Operation } from './model.js'

/** Numbers that look random and come again with the same seed (mulberry32). */
export function random(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

const KINDS = [
  ...Array<'put'>(5).fill('put'),
  ...Array<'write'>(5).fill('write'),
  ...Array<'append'>(3).fill('append'),
  ...Array<'rename'>(3).fill('rename'),
  ...Array<'unlink'>(2).fill('unlink'),
  'truncate',
  'truncate',
  'zero',
  'zero',
  'copyRange',
  'chmod',
  'mkdir',
  'mkdir',
  'rmdir',
  'link',
  'copy',
  'noreplace',
  'exchange',
] as const
const SIZES = [0, 1, 100, 4096, 5000, 70_000, 140_000, 300_000]
const NAMES = ['a', 'b', 'c', 'd', 'e', 'ü', 'z z']

/** The next operation: mostly on what is there, sometimes on what is not. */
export function nextOperation(
  pick: (below: number) => number,
  paths: readonly string[],
): Operation {
  const of = <T>(all: readonly T[], otherwise: T): T => all[pick(all.length)] ?? otherwise
  const fresh = () => {
    const parent = pick(2) === 0 ? '' : of(paths, '')
    const deep = parent.split('/').length > 4
    return parent === '' || deep ? of(NAMES, 'a') : `${parent}/${of(NAMES, 'a')}`
  }
  const some = () => (pick(10) === 0 || paths.length === 0 ? fresh() : of(paths, 'a'))
  const kind = of(KINDS, 'put')
  const size = of(SIZES, 1)
  const seed = pick(1_000_000)
  switch (kind) {
    case 'put':
      return { kind, path: pick(2) === 0 ? fresh() : some(), seed, size }
    case 'write':
      return { kind, path: some(), seed, size, offset: of([0, 1, 4000, 65_536, 200_000], 0) }
    case 'append':
      return { kind, path: some(), seed, size }
    case 'zero': {
      const offset = of([0, 1, 4000, 65_536, 200_000], 0)
      return { kind, path: some(), offset, size, extend: pick(2) === 0 }
    }
    case 'copyRange':
      return { kind, path: some(), to: some(), offset: of([0, 1, 70_000], 0), size }
    case 'truncate':
      return { kind, path: some(), size }
    case 'chmod':
      return { kind, path: some(), mode: of([0o600, 0o644, 0o755, 0o700], 0) }
    case 'mkdir':
      return { kind, path: fresh() }
    case 'unlink':
    case 'rmdir':
      return { kind, path: some() }
    default:
      return { kind, path: some(), to: pick(2) === 0 ? fresh() : some() }
  }
}
