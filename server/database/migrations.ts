import { accountsSchema, equalAccountsSchema } from './schema/accounts.js'
import {
  backupsSchema,
  filesSchema,
  linkableSchema,
  linksSchema,
  lockFencesSchema,
  madeVersionsSchema,
  namedChangesSchema,
  nameLeasesSchema,
  permissionsSchema,
  unindexedMakesSchema,
} from './schema/files.js'
import {
  endOrderSchema,
  issueKeySchema,
  issueOrderSchema,
  oauthSchema,
  unusedClientsSchema,
} from './schema/oauth.js'

/** The schema's history: only ever appended to, once a version has been released. */
export const MIGRATIONS: readonly string[] = [
  accountsSchema,
  filesSchema,
  oauthSchema,
  linksSchema,
  issueOrderSchema,
  endOrderSchema,
  linkableSchema,
  unusedClientsSchema,
  namedChangesSchema,
  issueKeySchema,
  madeVersionsSchema,
  lockFencesSchema,
  permissionsSchema,
  backupsSchema,
  unindexedMakesSchema,
  equalAccountsSchema,
  nameLeasesSchema,
]
