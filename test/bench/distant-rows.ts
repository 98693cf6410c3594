import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { checkModes, type Row, type Source } from './workload.js'

/** A row that takes longer is cut off. */
const MOST_MILLISECONDS = 90_000
const MEGABYTES = 64

export class CutOff extends Error {
  override readonly name = 'CutOff'
  /** The rate is below this. */
  readonly below: number

  constructor(amount: number) {
    super(`cut off after ${MOST_MILLISECONDS / 1000} s`)
    this.below = amount / (MOST_MILLISECONDS / 1000)
  }
}

/** A program in `dir`, on a fresh mount, that does `amount(source)` of something. */
function program(
  name: string,
  unit: string,
  script: (source: Source) => string,
  amount: (source: Source) => number,
  more: Partial<Row> = {},
): Row {
  return {
    ...{ name, unit, cold: true, ...more },
    run(dir, source) {
      try {
        execFileSync('sh', ['-ec', script(source)], {
          cwd: dir,
          stdio: ['ignore', 'ignore', 'pipe'],
          timeout: MOST_MILLISECONDS,
          killSignal: 'SIGKILL',
        })
      } catch (error) {
        const isLate = (error as NodeJS.ErrnoException).code === 'ETIMEDOUT'
        throw isLate ? new CutOff(amount(source)) : error
      }
      return amount(source)
    },
  }
}

const files = ({ files }: Source): number => files
const once = (): number => 1
const megabytes = (): number => MEGABYTES

/** What is measured over a long way: fewer files, because some peers wait for the server several times for each. */
export const DISTANT_ROWS: readonly Row[] = [
  program(
    'untar',
    'files/s',
    (source) => `mkdir tree && tar xf "${source.archive}" -C tree`,
    files,
    { check: checkModes },
  ),
  program('ls -lR, cold', 'files/s', () => 'ls -lR tree', files),
  program(
    'git clone',
    'files/s',
    (source) => `git clone -q "file://${source.repository}" clone`,
    files,
  ),
  program('git status, cold', '/s', () => 'git -C clone status --porcelain', once),
  program(
    'sequential write',
    'MB/s',
    ({ piece = '' }) => `dd if="${piece}" of=big bs=1M conv=fsync`,
    megabytes,
    { synced: { name: 'big', bytes: MEGABYTES * 2 ** 20 } },
  ),
  program('sequential read, cold', 'MB/s', () => 'dd if=big of=/dev/null bs=1M', megabytes),
  program('rm -rf', 'files/s', () => 'rm -rf tree', files),
]

/** The first files of a tree as an archive and as a bare repository. */
export function distantSource(tree: string, work: string, count: number): Source {
  const archive = join(work, 'files.tar')
  const plain = join(work, 'files')
  const repository = join(work, 'files.git')
  const piece = join(work, 'piece')
  const script = `
    cd "$1" && find . -type f -size -200k -print | sort | head -n ${count} | tar cf "$2" -T -
    mkdir "$3" && tar xf "$2" -C "$3" && cd "$3" && git init -q && git add -A -f
    git -c user.name=a -c user.email=a@example.org commit -qm files
    git clone -q --bare "$3" "$4"
    head -c ${MEGABYTES}M /dev/urandom > "$5"`
  execFileSync('sh', ['-ec', script, 'sh', tree, archive, plain, repository, piece], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return { directory: plain, archive, repository, piece, files: count }
}
