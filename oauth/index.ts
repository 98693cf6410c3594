/** The authorization server's only door. */
export { OAuthError, type OAuthErrorCode } from './errors.js'
export type * from './pages.js'
export type { AuthorizationServer, Interaction, SignInOptions } from './router.js'
export type * from './store.js'
export type * from './types.js'
export { DEFAULT_LIFETIMES } from './types.js'
