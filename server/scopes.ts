/** Scopes of the file API, beside those of OpenID Connect. */
export const RESOURCE_SCOPES = ['file.read', 'file.write'] as const
