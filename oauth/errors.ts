/** Error codes of the OAuth family, with the status each is sent with when it is not sent by a redirect. */
const STATUS = {
  // RFC 6749 sections 4.1.2.1 and 5.2
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  unauthorized_client: 400,
  unsupported_grant_type: 400,
  unsupported_response_type: 400,
  invalid_scope: 400,
  access_denied: 400,
  server_error: 500,
  temporarily_unavailable: 503,
  // RFC 6750 section 3.1
  invalid_token: 401,
  insufficient_scope: 403,
  // RFC 8628 section 3.5
  authorization_pending: 400,
  slow_down: 400,
  expired_token: 400,
  // RFC 8707 section 2
  invalid_target: 400,
  // RFC 9449 sections 5 and 8
  invalid_dpop_proof: 400,
  use_dpop_nonce: 400,
  // RFC 7591 section 3.2.2
  invalid_redirect_uri: 400,
  invalid_client_metadata: 400,
  // OpenID Connect Core section 3.1.2.6
  login_required: 400,
  consent_required: 400,
  interaction_required: 400,
  request_not_supported: 400,
  request_uri_not_supported: 400,
  registration_not_supported: 400,
  invalid_request_uri: 400,
} as const
export type OAuthErrorCode = keyof typeof STATUS

export interface OAuthErrorOptions extends ErrorOptions {
  /** When the protocol wants another status than the table's, such as 405 or 413. */
  readonly status?: number
  /** Header fields that belong to the answer, such as WWW-Authenticate or DPoP-Nonce. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
}

/** `message` becomes error_description; `cause` goes only to the log. */
export class OAuthError extends Error {
  override readonly name = 'OAuthError'
  readonly error: OAuthErrorCode
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>

  constructor(error: OAuthErrorCode, description: string, options: OAuthErrorOptions = {}) {
    super(describable(description), options)
    this.error = error
    this.status = options.status ?? STATUS[error]
    this.headers = options.headers ?? {}
  }

  /** The JSON of RFC 6749 section 5.2. */
  get body(): { error: OAuthErrorCode; error_description: string } {
    return { error: this.error, error_description: this.message }
  }
}

/** error_description = 1*( %x20-21 / %x23-5B / %x5D-7E ) (RFC 6749 section 5.2) */
function describable(text: string): string {
  return text.replace(/"/g, "'").replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?')
}
