export const oauthSchema = ''
