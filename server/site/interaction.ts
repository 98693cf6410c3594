import type { Request } from 'express'
import type { Interaction } from '../../oauth/index.js'
import { address } from '../accounts/address.js'
import type { Site } from './site.js'
import { wantsPage } from './wants-page.js'
import { describeScope, describeTime, sentence } from './words.js'

/** What the authorization server asks of the site: who is signed in, and the pages of its flows. */
export function interaction(site: Site): Interaction {
  const { sessions, pages, clock } = site
  const username = (request: Request) => sessions.current(request)?.user.username ?? ''

  return {
    session: async (request) => sessions.current(request),

    async signIn(_request, response, { returnTo, reauthenticate, loginHint }) {
      const query = new URLSearchParams({ return_to: returnTo })
      if (reauthenticate) query.set('reauthenticate', '1')
      if (loginHint !== undefined) query.set('login_hint', loginHint.slice(0, 64))
      response.redirect(303, `/login?${query}`)
    },

    checkForm: async (request) => sessions.checkForm(request),

    async signOut(request) {
      await sessions.end(request)
    },

    async consent(request, response, page) {
      const { formAction, device, scopes } = page
      const title = device === undefined ? `Allow ${page.client_name}?` : 'Connect a device'
      await pages.render(
        response,
        'consent',
        { title, formAction },
        {
          deviceName: undefined,
          ...page,
          csrf_token: sessions.csrfToken(request),
          username: username(request),
          scopes: scopes.map((asked) => ({
            hint: undefined,
            ...asked,
            ...describeScope(asked.scope),
          })),
          device: device && {
            ...device,
            when: describeTime(device.requestedAt.getTime(), clock().getTime()).ago,
          },
        },
      )
    },

    async userCode(request, response, page) {
      const options = { title: 'Connect a device', status: page.problem === undefined ? 200 : 400 }
      await pages.render(response, 'user-code', options, {
        problem: undefined,
        ...page,
        csrf_token: sessions.csrfToken(request),
        username: username(request),
      })
    },

    async logout(request, response, page) {
      const options = { title: 'Sign out', formAction: page.formAction }
      await pages.render(response, 'logout', options, {
        ...page,
        csrf_token: sessions.csrfToken(request),
      })
    },

    async message(_request, response, { title, message }) {
      await pages.render(response, 'message', { title }, { message })
    },

    async error(request, response, { status, error, message, link }) {
      site.log.info(
        {
          request_id: response.locals.requestId,
          path: request.path,
          address: address(request),
          status,
          error,
          reason: message,
        },
        'refused',
      )
      if (!wantsPage(request)) {
        response.status(status).json({ error, error_description: message })
        return
      }
      await pages.render(
        response,
        'error',
        { title: 'This did not work', status },
        {
          status,
          error,
          message: sentence(message),
          link,
          request_id: response.locals.requestId,
        },
      )
    },
  }
}
