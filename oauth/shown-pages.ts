/** What the site is asked to show. It renders; every decision is made here. */
import type { OAuthError } from './errors.js'

/** A form the page must post: `action` with every one of `fields` as a hidden input, and the session's `csrf_token`. */
export interface PageForm {
  readonly action: string
  readonly fields: Readonly<Record<string, string>>
}

/** Asks the user to allow or deny. Buttons: name `decision`, values `allow` and `deny`. */
export interface ConsentPage extends PageForm {
  readonly client_id: string
  readonly client_name: string
  /** Asked for; a checkbox each, name `scope`, all ticked. Required ones cannot be un-ticked. */
  readonly scopes: readonly ConsentScope[]
  readonly resource: readonly string[]
  /** Where the answer goes, for people: "this computer", "rp.example", "app com.example.app". */
  readonly destination: string
  /** CSP sources that `form-action` must let through beside 'self', because the answer is redirected there. */
  readonly formAction: readonly string[]
  /** What the device calls itself: a claim of whoever asks, and no more. */
  readonly deviceName?: string
  /** Set when a device asks (RFC 8628 section 5.4). */
  readonly device?: DeviceDetails
}

export interface ConsentScope {
  readonly scope: string
  readonly required: boolean
}

export interface DeviceDetails {
  /** As the device shows it, XXXX-XXXX. */
  readonly user_code: string
  readonly address: string
  readonly requestedAt: Date
}

/** Asks for the code that the device shows: a text field `user_code`. */
export interface UserCodePage extends PageForm {
  readonly user_code: string
  /** Why the last one was not taken. */
  readonly problem?: string
}

/** The end of a flow that has no redirect: a headline and a sentence. */
export interface MessagePage {
  readonly title: string
  readonly message: string
}

/** Asks whether to log out. Buttons: name `decision`, values `allow` and `deny`. */
export interface LogoutPage extends PageForm {
  readonly client_name: string | undefined
  readonly formAction: readonly string[]
}

/** Something is wrong and the browser must not be redirected (RFC 6749 section 4.1.2.1). */
export interface ErrorPage {
  readonly status: number
  readonly error: string
  readonly message: string
  /** For the user to decide whether to go there. */
  readonly link?: { readonly href: string; readonly text: string }
}

export function errorPage({ status, error, message }: OAuthError): ErrorPage {
  return { status, error, message }
}
