import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ejs, { type TemplateFunction } from 'ejs'

export const VIEWS = new URL('../../views/', import.meta.url)

const NAMES = ['account', 'consent', 'error', 'login', 'logout', 'message', 'user-code'] as const
export type View = (typeof NAMES)[number]

const INCLUDE = /<%- include\('(_\w+)'\) %>/g

/** All of them, ready to be filled in. */
export function compiledViews(): Readonly<Record<View, TemplateFunction>> {
  const compiled = NAMES.map((name) => [name, ejs.compile(source(name), { filename: path(name) })])
  return Object.fromEntries(compiled)
}

/** With what it includes put in: EJS itself would look for those files on the disk for every page, which takes most of the time. */
function source(name: string): string {
  return readFileSync(path(name), 'utf8').replace(INCLUDE, (_, part: string) => source(part))
}

function path(name: string): string {
  return fileURLToPath(new URL(`${name}.ejs`, VIEWS))
}
