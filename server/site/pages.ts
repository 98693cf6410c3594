import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Response, Router } from 'express'
import { pagePolicy } from '../headers.js'
import { ownTurn } from '../turn.js'
import { compiledViews, VIEWS, type View } from './views.js'

const YEAR_SECONDS = 31_536_000

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
  const views = compiledViews()

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
      await ownTurn()
      const html = views[view]({ title, layout, host, stylesheet, ...data })
      response
        .status(status)
        .setHeader('Content-Type', 'text/html; charset=utf-8')
        .setHeader('Cache-Control', 'no-store')
        .setHeader('Content-Security-Policy', pagePolicy(formAction))
        .setHeader('Content-Length', Buffer.byteLength(html))
        // As text it goes out in one piece with its header; Express would make bytes of it.
        .end(html)
    },
  }
}
