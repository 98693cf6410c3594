import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { lockDataDirectory } from '../database/lock.js'
import { FileError } from '../errors.js'
import { exportTree } from '../storage/archive/export.js'
import { importTree } from '../storage/archive/import.js'
import { isInside } from '../storage/backup/inside.js'
import { namesIn } from '../storage/disk/emptiness.js'
import { fileName } from '../storage/path.js'
import { openStorage } from '../storage/sqlite-storage.js'
import type { Ino, Tree } from '../storage/storage.js'
import { existing } from './user.js'
import { atWorkbench, type CommandLine, type Workbench } from './workbench.js'

/** import, export */
export function treeCommands(program: Command, line: CommandLine): void {
  program
    .command('import <username> <directory>')
    .description('take a plain tree into the files of an account; the server must be stopped')
    .option('--into <path>', 'the folder to put it in', '/')
    .action(async (name: string, from: string, { into }: { into: string }) =>
      atWorkbench(line, async (bench) => {
        const { id } = existing(bench, name)
        const { data } = bench.config
        if (isInside(from, data) || isInside(data, from)) {
          throw new Error(
            `the data directory ${data} would be imported, too, with its secret and the files of all: choose a directory outside of it, and not one that has it in it`,
          )
        }
        await withTree(bench, id, { option: '--into', path: into }, async (tree, directory) => {
          const skip = (path: string, reason: string) => line.print(`skipped ${path}: ${reason}`)
          const imported = await importTree(tree, directory, from, skip)
          const { files, bytes, skipped, complaint } = imported
          if (complaint !== '') line.print(complaint)
          line.print(`Imported ${files} files and folders (${bytes} bytes), skipped ${skipped}.`)
          if (skipped > 0 || complaint !== '') line.fail(1)
        })
      }),
    )

  program
    .command('export <username> <directory>')
    .description('write the files of an account as a plain tree; the server must be stopped')
    .option('--from <path>', 'the folder to write', '/')
    .option('--overwrite', 'write over what the directory has already')
    .action(async (name: string, to: string, { from, overwrite }: ExportOptions) =>
      atWorkbench(line, async (bench) => {
        const { id } = existing(bench, name)
        if (isInside(to, bench.config.data)) {
          throw new Error(`${to} is in the data directory: an export must be outside of it`)
        }
        if (!overwrite) refuseUsed(to)
        await withTree(bench, id, { option: '--from', path: from }, async (tree, directory) => {
          const complaint = await exportTree(tree, directory, to)
          if (complaint !== '') {
            line.print(complaint)
            line.fail(1)
          }
          line.print(`Exported the files of ${name} to ${to}.`)
        })
      }),
    )
}

interface ExportOptions {
  readonly from: string
  readonly overwrite?: true
}

/** tar(1) writes over files of the same names, and gives the directory itself the mode and the owner of the folder. */
function refuseUsed(directory: string): void {
  const [found] = existsSync(directory) ? namesIn(directory) : []
  if (found === undefined) return
  throw new Error(
    `${directory} is not empty: it has "${found}"; choose a new directory, or say --overwrite to write over files of the same names`,
  )
}

interface Folder {
  /** The option that names it. */
  readonly option: string
  readonly path: string
}

async function inoOf(tree: Tree, { option, path }: Folder): Promise<Ino> {
  try {
    const names = path.split('/').filter((part) => part !== '')
    const { ino, type } = await tree.walk(tree.root, names.map(fileName))
    if (type !== 'directory') throw new FileError('ENOTDIR', 'it is no folder')
    return ino
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause
    throw new Error(`${option} must name a folder of the account, not "${path}": ${cause.message}`)
  }
}

/** The engine is one process's at a time. */
async function withTree(
  { config, database }: Workbench,
  owner: string,
  folder: Folder,
  work: (tree: Tree, directory: Ino) => Promise<void>,
): Promise<void> {
  const lock = lockDataDirectory(config.data)
  try {
    const storage = await openStorage({ directory: config.data, database })
    try {
      const tree = await storage.tree(owner)
      await work(tree, await inoOf(tree, folder))
      await storage.durable()
    } finally {
      await storage.close()
    }
  } finally {
    lock.release()
  }
}
