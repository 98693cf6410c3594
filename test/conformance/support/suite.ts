import { SignJWT } from 'jose'
import { type ClientName, LOOPBACK, type TestClient, WEB_URI } from './clients.js'
import {
  type Answer,
  encode,
  type Fields,
  type Form,
  type FormLike,
  formsOf,
  Http,
  json,
  locationOf,
} from './http.js'
import type { Inside, Target, User } from './target.js'
import {
  basic,
  CODE_CHALLENGE,
  CODE_VERIFIER,
  success,
  type Tokens,
  unique,
  wordsOf,
} from './values.js'

export type Changes = Readonly<Record<string, string | readonly string[] | undefined>>

/** Browsers in which somebody is signed in already; logging in costs a password hash. */
const signedIn = new WeakMap<Target, Map<string, Promise<Http>>>()

/** What every test does with the server under test. */
export class Suite {
  readonly target: Target
  /** A browser in which nobody is signed in; also for requests that have no browser. */
  readonly http: Http
  #metadata: Promise<Record<string, string>> | undefined

  constructor(target: Target) {
    this.target = target
    this.http = new Http(target.ca)
  }

  get inside(): Inside {
    if (this.target.inside === undefined) throw new Error('only on our own server')
    return this.target.inside
  }

  client(name: ClientName): TestClient {
    const client = this.target.clients[name]
    if (client === undefined) throw new Error(`the target has no client ${name}`)
    return client
  }

  /** `localAddress`: where it connects from, any of 127.0.0.0/8 for a server on this machine. */
  newBrowser(localAddress?: string): Http {
    return new Http(this.target.ca, localAddress)
  }

  metadata(): Promise<Record<string, string>> {
    this.#metadata ??= this.http
      .get(`${this.target.issuer}/.well-known/openid-configuration`)
      .then((answer) => json(answer) as Record<string, string>)
    return this.#metadata
  }

  async endpoint(name: string): Promise<string> {
    const url = (await this.metadata())[`${name}_endpoint`]
    if (url === undefined) throw new Error(`the metadata names no ${name}_endpoint`)
    return url
  }

  /** Logs in afresh. */
  async login(user: User = this.target.users[0], browser = this.newBrowser()): Promise<Http> {
    const page = await browser.follow(await this.authorize(browser))
    await browser.follow(await this.submitLogin(browser, page, user))
    return browser
  }

  async submitLogin(
    browser: Http,
    page: Answer,
    user: User = this.target.users[0],
  ): Promise<Answer> {
    const form = formsOf(page).find(({ hasPassword }) => hasPassword)
    if (form === undefined) throw new Error(`no login form: ${page.status} ${wordsOf(page)}`)
    form.fields.set(form.text ?? 'username', user.username)
    form.fields.set('password', user.password)
    return browser.submit(form)
  }

  /** A browser in which the first user is signed in; shared, so nobody may sign out of it. */
  signedIn(user: User = this.target.users[0]): Promise<Http> {
    const browsers = signedIn.get(this.target) ?? new Map<string, Promise<Http>>()
    signedIn.set(this.target, browsers)
    const browser = browsers.get(user.username) ?? this.login(user)
    browsers.set(user.username, browser)
    return browser
  }

  baseline(changes: Changes = {}): Changes {
    return {
      response_type: 'code',
      client_id: this.client('fuse').client_id,
      redirect_uri: LOOPBACK,
      scope: 'file.read',
      state: 'af0ifjsldkj',
      code_challenge: CODE_CHALLENGE,
      code_challenge_method: 'S256',
      ...changes,
    }
  }

  /** A(…): a GET of the authorization endpoint, the baseline with changes. */
  async authorize(browser: Http, changes: Changes = {}): Promise<Answer> {
    return browser.get(`${await this.endpoint('authorization')}?${encode(this.baseline(changes))}`)
  }

  /** A(…) in a signed-in browser, up to the page or the redirect elsewhere that ends it. */
  async asked(changes: Changes = {}, browser?: Http): Promise<Answer> {
    const used = browser ?? (await this.signedIn())
    return used.follow(await this.authorize(used, changes))
  }

  async web(changes: Changes = {}): Promise<Changes> {
    const { client_id } = this.client('web')
    return { client_id, redirect_uri: WEB_URI, ...changes }
  }

  consentForm(page: Answer): Form {
    const forms = formsOf(page).filter(({ hasPassword, fields }) => !hasPassword && fields.size > 0)
    const form = forms.find(({ fields }) => fields.size > 1) ?? forms[0]
    if (form === undefined)
      throw new Error(`no consent form: ${page.status} ${page.headers.location ?? wordsOf(page)}`)
    return form
  }

  /** Allows (or denies) on the consent page; where the browser is sent then. */
  async decide(browser: Http, page: Answer, decision: 'allow' | 'deny' = 'allow'): Promise<URL> {
    const form = this.consentForm(page)
    form.fields.set('decision', decision)
    const end = await browser.follow(await browser.submit(form))
    const to = locationOf(end)
    if (to === undefined)
      throw new Error(`no redirect after the consent: ${end.status} ${wordsOf(end)}`)
    return to
  }

  /** A(…), allowed: the redirect with the code. */
  async allowed(changes: Changes = {}, browser?: Http): Promise<URL> {
    const used = browser ?? (await this.signedIn())
    const page = await this.asked(changes, used)
    const to = locationOf(page)
    return to ?? this.decide(used, page)
  }

  /** What a person does with an authorization URL, up to the redirect. */
  async visit(url: URL): Promise<URL> {
    const browser = await this.signedIn()
    return this.decide(browser, await browser.follow(await browser.get(url)))
  }

  /** What a person does with the URL that a device shows (RFC 8628 section 3.3.1). */
  async allowDevice(verification_uri_complete: string): Promise<void> {
    const browser = await this.signedIn()
    const page = await browser.follow(await browser.get(verification_uri_complete))
    const form = formsOf(page).find(({ text }) => text === 'user_code')
    if (form === undefined) throw new Error('no form for the user code')
    const consent = this.consentForm(await browser.submit(form))
    consent.fields.set('decision', 'allow')
    await browser.submit(consent)
  }

  async code(changes: Changes = {}, browser?: Http): Promise<string> {
    const to = await this.allowed(changes, browser)
    const code = to.searchParams.get('code')
    if (code === null) throw new Error(`no code: ${to}`)
    return code
  }

  /** T(…): a POST to the token endpoint, sent as `name` authenticates. */
  async token(form: FormLike, headers: Fields = {}): Promise<Answer> {
    return this.http.post(await this.endpoint('token'), form, headers)
  }

  codeForm(code: string, changes: Changes = {}): Changes {
    return {
      grant_type: 'authorization_code',
      client_id: this.client('fuse').client_id,
      redirect_uri: LOOPBACK,
      code_verifier: CODE_VERIFIER,
      code,
      ...changes,
    }
  }

  async redeem(code: string, changes: Changes = {}, headers: Fields = {}): Promise<Answer> {
    return this.token(this.codeForm(code, changes), headers)
  }

  async refresh(
    refresh_token: string,
    changes: Changes = {},
    headers: Fields = {},
  ): Promise<Answer> {
    const { client_id } = this.client('fuse')
    return this.token(
      { grant_type: 'refresh_token', client_id, refresh_token, ...changes },
      headers,
    )
  }

  /** Tokens of the native client. */
  async tokens(changes: Changes = {}, browser?: Http): Promise<Tokens> {
    const { client_id, redirect_uri } = this.baseline(changes)
    return success(
      await this.redeem(await this.code(changes, browser), { client_id, redirect_uri }),
    )
  }

  /** Tokens of the web client, which authenticates by Basic. */
  async webTokens(
    changes: Changes = {},
    name: ClientName = 'web',
    browser?: Http,
  ): Promise<Tokens> {
    const { client_id } = this.client(name)
    const code = await this.code({ client_id, redirect_uri: WEB_URI, ...changes }, browser)
    const form = { client_id: undefined, redirect_uri: WEB_URI }
    return success(await this.redeem(code, form, this.basic(name)))
  }

  basic(name: ClientName): Fields {
    const { client_id, client_secret = '' } = this.client(name)
    return {
      authorization: basic(encodeURIComponent(client_id), encodeURIComponent(client_secret)),
    }
  }

  /** A client assertion (RFC 7523) of `keyed` or `fapi`. */
  async assertion(
    name: ClientName,
    changes: Readonly<Record<string, unknown>> = {},
    kid = 'conformance',
  ): Promise<Changes> {
    const { client_id, key } = this.client(name)
    if (key === undefined) throw new Error(`${name} has no key`)
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: client_id,
      sub: client_id,
      aud: this.target.issuer,
      iat: now,
      exp: now + 60,
      jti: unique(),
      ...changes,
    }
    return {
      client_id: undefined,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid })
        .sign(key),
    }
  }

  /** What the resource server says to a token. */
  read(access_token: string, headers: Fields = {}): Promise<Answer> {
    return this.http.get(this.target.resourceUrl, {
      authorization: `Bearer ${access_token}`,
      ...headers,
    })
  }

  async introspect(token: string, name: ClientName = 'server'): Promise<Answer> {
    return this.http.post(await this.endpoint('introspection'), { token }, this.basic(name))
  }

  async revoke(token: string, changes: Changes = {}, headers: Fields = {}): Promise<Answer> {
    const { client_id } = this.client('fuse')
    return this.http.post(
      await this.endpoint('revocation'),
      { client_id, token, ...changes },
      headers,
    )
  }
}
