declare module 'oidc-provider' {
  /** As much of it as the suite's peer needs; the package brings no types. */
  export class Provider {
    constructor(issuer: string, configuration: object)
    callback(): (request: unknown, response: unknown) => void
  }
}
