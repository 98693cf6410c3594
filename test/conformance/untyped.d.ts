/** As much as the suite needs of packages that bring no types. */
declare module 'oidc-provider' {
  export class Provider {
    constructor(issuer: string, configuration: object)
    callback(): (request: unknown, response: unknown) => void
    readonly Client: { find(id: string): Promise<object> }
    readonly Grant: new (
      content: object,
    ) => {
      addOIDCScope(scope: string): void
      addResourceScope(resource: string, scope: string): void
      save(): Promise<string>
    }
    readonly RefreshToken: new (
      content: object,
    ) => { save(): Promise<string> }
  }
}

declare module 'passport-oauth2' {
  import type { Agent } from 'node:https'
  export class Strategy {
    constructor(options: object, verify: (...parameters: never[]) => void)
    _oauth2: { setAgent(agent: Agent): void }
    redirect: (url: string) => void
    success: (user: unknown) => void
    fail: (why: unknown) => void
    error: (error: Error) => void
    authenticate(request: object, options?: object): void
  }
}

declare module 'simple-oauth2' {
  interface Token {
    readonly access_token: string
    readonly refresh_token: string
  }
  interface AccessToken {
    readonly token: Token
    refresh(): Promise<AccessToken>
    revoke(kind: 'access_token' | 'refresh_token'): Promise<void>
  }
  export class AuthorizationCode {
    constructor(options: object)
    authorizeURL(parameters: object): string
    getToken(parameters: object): Promise<AccessToken>
  }
  export class ClientCredentials {
    constructor(options: object)
    getToken(parameters: object): Promise<AccessToken>
  }
}

/** It does bring types, but their imports have no extensions, so nothing is found of them. */
declare module '@openid/appauth' {
  export interface Settings {
    readonly url?: string
    readonly method?: string
    readonly data?: unknown
    readonly headers?: Record<string, string>
  }
  export abstract class Requestor {
    abstract xhr<T>(settings: Settings): Promise<T>
  }
  export class AuthorizationServiceConfiguration {
    readonly authorizationEndpoint: string
    static fetchFromIssuer(
      issuer: string,
      requestor: Requestor,
    ): Promise<AuthorizationServiceConfiguration>
  }
  export class TokenRequest {
    constructor(request: object)
  }
  export interface TokenResponse {
    readonly accessToken: string
    readonly refreshToken: string | undefined
    isValid(): boolean
  }
  export class BaseTokenRequestHandler {
    constructor(requestor: Requestor)
    performTokenRequest(
      server: AuthorizationServiceConfiguration,
      request: TokenRequest,
    ): Promise<TokenResponse>
  }
  export const GRANT_TYPE_AUTHORIZATION_CODE: string
  export const GRANT_TYPE_REFRESH_TOKEN: string
}
