/** The pages that people walk through, in one table: what a browser asks, and what it is shown next. */
import { authorize, decide, hold, resume, type Step } from '../authorization/authorize.js'
import { decideDevice, enterUserCode } from '../authorization/device-approval.js'
import type { Context } from '../context.js'
import type { Parameters } from '../http/parameters.js'
import {
  type ConsentPage,
  type ErrorPage,
  errorPage,
  type LogoutPage,
  type MessagePage,
  type UserCodePage,
} from '../shown-pages.js'
import type { BrowserSession } from '../types.js'
import {
  confirmedLogout,
  endSessionGrants,
  heldLogout,
  holdLogout,
  type LogoutStep,
  requestLogout,
} from './logout.js'

export interface Visit {
  readonly parameters: Parameters
  readonly session: BrowserSession | undefined
  readonly address: string
}

/** A visit by one of our own forms, which somebody signed in has sent. */
export interface FormVisit extends Visit {
  readonly session: BrowserSession
}

/** What the browser gets. */
export type Shown =
  | { readonly kind: 'redirect'; readonly location: string }
  | {
      readonly kind: 'signIn'
      readonly returnTo: string
      readonly reauthenticate: boolean
      readonly loginHint: string | undefined
    }
  | { readonly kind: 'consent'; readonly page: ConsentPage }
  | { readonly kind: 'userCode'; readonly page: UserCodePage }
  | { readonly kind: 'logout'; readonly page: LogoutPage }
  | { readonly kind: 'signOut'; readonly location: string | undefined }
  | { readonly kind: 'message'; readonly page: MessagePage }
  | { readonly kind: 'error'; readonly page: ErrorPage }

export type PageHandler =
  | { readonly kind: 'open'; readonly handle: (visit: Visit) => Promise<Shown> }
  | { readonly kind: 'form'; readonly handle: (visit: FormVisit) => Promise<Shown> }

export interface Page {
  readonly path: string
  readonly methods: Readonly<Record<string, PageHandler>>
}

const open = (handle: (visit: Visit) => Promise<Shown>): PageHandler => ({ kind: 'open', handle })
const form = (handle: (visit: FormVisit) => Promise<Shown>): PageHandler => ({
  kind: 'form',
  handle,
})

export const CONTINUE_PATH = '/authorize/continue'

export function pagesOf(context: Context): readonly Page[] {
  const { base } = context

  const authorization = (step: Step): Shown => {
    switch (step.kind) {
      case 'redirect':
        return step
      case 'consent':
        return { kind: 'consent', page: { action: `${base}/authorize/decision`, ...step.page } }
      case 'stay': {
        const { location, destination, error } = step
        const message = `${error.message}. Nobody who is signed in here has let this application in as it is now`
        const link = { href: location, text: `Go on to ${destination}` }
        return { kind: 'error', page: { ...errorPage(error), message, link } }
      }
      case 'signIn': {
        const { request, reauthenticate, loginHint } = step
        const returnTo = `${base}${CONTINUE_PATH}?${new URLSearchParams({ request })}`
        return { kind: 'signIn', returnTo, reauthenticate, loginHint }
      }
    }
  }

  const logout = async (step: LogoutStep, session: BrowserSession | undefined): Promise<Shown> => {
    if (step.kind === 'ask') {
      return { kind: 'logout', page: { action: `${base}/logout/decision`, ...step.page } }
    }
    if (session !== undefined) await endSessionGrants(context, session)
    return { kind: 'signOut', location: step.location }
  }

  const userCodePage = (user_code: string, problem?: string): Shown => {
    const page = { action: `${base}/device`, fields: {}, user_code }
    return { kind: 'userCode', page: problem === undefined ? page : { ...page, problem } }
  }

  return [
    {
      path: `${base}/authorize`,
      methods: {
        GET: open(async ({ parameters, session }) =>
          authorization(await authorize(context, parameters, session)),
        ),
        POST: open(async ({ parameters, session }) => {
          if (session !== undefined) {
            return authorization(await authorize(context, parameters, session))
          }
          const request = new URLSearchParams({ request: await hold(context, parameters) })
          return { kind: 'redirect', location: `${base}${CONTINUE_PATH}?${request}` }
        }),
      },
    },
    {
      path: base + CONTINUE_PATH,
      methods: {
        GET: open(async ({ parameters, session }) =>
          authorization(await resume(context, parameters.required('request'), session)),
        ),
      },
    },
    {
      path: `${base}/authorize/decision`,
      methods: {
        POST: form(async ({ parameters, session }) => ({
          kind: 'redirect',
          location: await decide(context, parameters, session),
        })),
      },
    },
    {
      path: `${base}/device`,
      methods: {
        GET: open(async ({ parameters, session }) => {
          const user_code = parameters.optional('user_code') ?? ''
          if (session !== undefined) return userCodePage(user_code)
          const query = user_code === '' ? '' : `?${new URLSearchParams({ user_code })}`
          const returnTo = `${base}/device${query}`
          return { kind: 'signIn', returnTo, reauthenticate: false, loginHint: undefined }
        }),
        POST: form(async ({ parameters, session, address }) => {
          const user_code = parameters.optional('user_code') ?? ''
          const step = await enterUserCode(context, user_code, session, address)
          if (step.kind === 'again') return userCodePage(user_code, step.problem)
          return { kind: 'consent', page: { action: `${base}/device/decision`, ...step.page } }
        }),
      },
    },
    {
      path: `${base}/device/decision`,
      methods: {
        POST: form(async ({ parameters, session }) => {
          const decision = {
            request: parameters.required('request'),
            decision: parameters.optional('decision'),
            ticked: parameters.all('scope'),
          }
          return { kind: 'message', page: await decideDevice(context, decision, session) }
        }),
      },
    },
    {
      path: `${base}/logout`,
      methods: {
        GET: open(async ({ parameters, session }) =>
          logout(await requestLogout(context, parameters, session), session),
        ),
        POST: open(async ({ parameters }) => {
          const request = new URLSearchParams({ request: holdLogout(context, parameters) })
          return { kind: 'redirect', location: `${base}/logout/continue?${request}` }
        }),
      },
    },
    {
      path: `${base}/logout/continue`,
      methods: {
        GET: open(async ({ parameters, session }) => {
          const held = heldLogout(context, parameters.required('request'))
          return logout(await requestLogout(context, held, session), session)
        }),
      },
    },
    {
      path: `${base}/logout/decision`,
      methods: {
        POST: form(async ({ parameters, session }) => {
          const location = confirmedLogout(context, parameters.required('request'), session)
          if (parameters.optional('decision') !== 'allow') {
            return {
              kind: 'message',
              page: { title: 'Still signed in', message: 'Nothing has changed.' },
            }
          }
          return logout({ kind: 'done', location }, session)
        }),
      },
    },
  ]
}
