export const accountsSchema = ''
