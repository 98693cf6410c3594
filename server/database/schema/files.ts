export const filesSchema = ''
