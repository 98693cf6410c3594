import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ejs from 'ejs'
import { type Response, Router } from 'express'
import { pagePolicy } from './headers.js'

const VIEWS = new URL('../views/', import.meta.url)
const YEAR_SECONDS = 31_536_000

export type View = 'account' | 'consent' | 'error' | 'login' | 'logout' | 'message' | 'user-code'

export interface PageOptions {
  readonly title: string
  readonly status?: number
  readonly layout?: 'narrow' | 'wide'
  /** Where the page's forms may lead beside this origin, redirects included. */
  readonly formAction?: readonly string[]
}

/** Renders the views. */
export interface Pages {
  /** What the pages need beside HTML: the style sheet and the icon. */
  readonly assets: Router
  render(response: Response, view: View, options: PageOptions, data: object): Promise<void>
}

export function pages(issuer: string): Pages {
  const css = readFileSync(new URL('coffer.css', VIEWS), 'utf8')
  const icon = readFileSync(new URL('coffer.svg', VIEWS), 'utf8')
  const stylesheet = `/coffer-${createHash('sha256').update(css).digest('hex').slice(0, 16)}.css`
  const { host } = new URL(issuer)

  const assets = Router()
  assets.get(stylesheet, (_request, response) => {
    response
      .set('Cache-Control', `public, max-age=${YEAR_SECONDS}, immutable`)
      .type('css')
      .send(css)
  })
  assets.get('/coffer.svg', (_request, response) => {
    response.set('Cache-Control', 'public, max-age=86400').type('svg').send(icon)
  })

  return {
    assets,
    async render(
      response,
      view,
      { title, status = 200, layout = 'narrow', formAction = [] },
      data,
    ) {
      const file = fileURLToPath(new URL(`${view}.ejs`, VIEWS))
      const locals = { title, layout, host, stylesheet, ...data }
      const html = await ejs.renderFile(file, locals, { cache: true })
      response
        .status(status)
        .set('Cache-Control', 'no-store')
        .set('Content-Security-Policy', pagePolicy(formAction))
        .type('html')
        .send(html)
    },
  }
}
