import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root, run } from '../support/process.js'

/** What the authorization server and its tests need; with all others it would be three times as many files. */
const PACKAGES = new Set(['express', 'jsonwebtoken', 'zod', 'chai', 'jose', 'mocha', 'tsx'])
const FILES = [
  'package-lock.json',
  '.mocharc.json',
  'tsconfig.json',
  'oauth',
  'test/oauth',
  'test/support',
] as const

/**
 * A real project for npm(1), made in this directory: a part of this one.
 * @param home with npm's configuration
 */
export async function makeNpmProject(directory: string, home: string): Promise<void> {
  for (const name of FILES) await cp(join(root, name), join(directory, name), { recursive: true })
  const project = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const needed = (packages: Record<string, string>) =>
    Object.fromEntries(Object.entries(packages).filter(([name]) => PACKAGES.has(name)))
  project.dependencies = needed(project.dependencies)
  project.devDependencies = needed(project.devDependencies)
  project.optionalDependencies = {}
  await writeFile(join(directory, 'package.json'), JSON.stringify(project))
  // The lock file has all that is needed, and more: what is not is dropped.
  const parameters = ['install', '--package-lock-only', '--ignore-scripts', '--prefer-offline']
  await run('npm', [...parameters, '--no-audit', '--no-fund'], {
    cwd: directory,
    env: { HOME: home },
  })
}
