import { randomBytes } from 'node:crypto'
import { type AccountClaims, INVISIBLE } from '../../oauth/index.js'
import type { User, UserTable } from '../database/accounts/accounts.js'
import type { Passwords } from './passwords.js'

declare const parsed: unique symbol
/** 1 to 64 of a-z 0-9 . _ - @ +, beginning with a letter or digit; written in any case, kept in lower case. */
export type Username = string & { readonly [parsed]: 'Username' }
const USERNAME = /^[a-z0-9][a-z0-9._@+-]{0,63}$/

/** 8 characters or more (NIST SP 800-63B section 5.1.1.2); the upper bound keeps hashing cheap. */
export type NewPassword = string & { readonly [parsed]: 'NewPassword' }
const PASSWORD_MIN = 8
const PASSWORD_MAX = 1024

/** What the person did cannot be done, and why; for the person. */
export class AccountError extends Error {
  override readonly name = 'AccountError'
}

export function username(input: string): Username {
  const name = input.normalize('NFKC').trim().toLowerCase()
  if (USERNAME.test(name)) return name as Username
  throw new AccountError(
    'a user name has 1 to 64 letters (a-z), digits or . _ @ + - and begins with a letter or digit',
  )
}

export function newPassword(input: string): NewPassword {
  const { length } = [...input]
  if (length >= PASSWORD_MIN && length <= PASSWORD_MAX) return input as NewPassword
  throw new AccountError(`a password has ${PASSWORD_MIN} to ${PASSWORD_MAX} characters`)
}

/** As applications and lists of accounts show it: what changes how the text around it reads is no part of a name. */
export type DisplayName = string & { readonly [parsed]: 'DisplayName' }
const NAME_MAX = 200

export function displayName(input: string): DisplayName {
  const name = input.trim()
  if (name !== '' && name.length <= NAME_MAX && !INVISIBLE.test(name)) return name as DisplayName
  throw new AccountError(
    `a name has 1 to ${NAME_MAX} characters, none of which controls a terminal or the direction of text`,
  )
}

/** What stands before and after its last "@" is for its server to know. */
export type EmailAddress = string & { readonly [parsed]: 'EmailAddress' }
const EMAIL_MAX = 254

export function emailAddress(input: string): EmailAddress {
  const address = input.trim()
  const isOne = /^[^\s@]+@[^\s@]+$/.test(address) && !INVISIBLE.test(address)
  if (isOne && address.length <= EMAIL_MAX) return address as EmailAddress
  throw new AccountError(
    `an e-mail address is like anna@example.org, of ${EMAIL_MAX} characters at most`,
  )
}

/** 32 letters and digits, none of which looks like another. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** 100 bits in a form people can type. */
export function oneTimePassword(): NewPassword {
  const letters = [...randomBytes(20)].map((byte) => ALPHABET[byte % 32]).join('')
  return letters.replace(/(.{5})(?!$)/g, '$1-') as NewPassword
}

export interface NewUser {
  readonly username: Username
  readonly password: NewPassword
  readonly name?: string | undefined
  readonly email?: string | undefined
  readonly temporaryPassword: boolean
}

/** Who may sign in. */
export interface Accounts {
  /**
   * The account, when the password is right. A second step of signing in would stand between this and the session.
   * Unknown, disabled and mistaken look the same and take the same time. @throws Busy
   */
  authenticate(name: string, password: string): Promise<User | undefined>
  /** What is known of a subject; undefined when gone or disabled. */
  claims(sub: string): Promise<AccountClaims | undefined>
  find(name: Username): User | undefined
  /** As somebody typed it. */
  lookup(name: string): User | undefined
  byId(id: string): User | undefined
  all(): User[]
  /** @throws AccountError when the name is taken */
  add(user: NewUser): Promise<User>
  /** Everything signed in before is signed out. */
  changePassword(id: string, password: NewPassword, how: { temporary: boolean }): Promise<void>
  /** @throws AccountError when nobody else may sign in */
  disable(id: string): void
  enable(id: string): void
  /** Ends everything signed in before this moment. */
  signOutEverywhere(id: string): void
  /** @returns false when there is none */
  remove(id: string): boolean
}

export function accounts(users: UserTable, hashing: Passwords, clock: () => Date): Accounts {
  const now = () => clock().getTime()
  const lookup = (name: string) => users.byUsername(name.normalize('NFKC').trim().toLowerCase())

  async function authenticate(name: string, password: string): Promise<User | undefined> {
    const user = lookup(name)
    const usable = password.length <= PASSWORD_MAX ? password : ''
    const check = await hashing.check(user?.passwordHash, usable)
    if (user === undefined || check.kind === 'wrong') return undefined
    // Checking takes a while: what counts is who may sign in at its end.
    const current = users.byId(user.id)
    if (current === undefined || current.disabledAt !== undefined) return undefined
    if (current.passwordHash !== user.passwordHash) return authenticate(name, password)
    if ('rehashed' in check) users.rehash(user.id, user.passwordHash, check.rehashed)
    return current
  }

  return {
    authenticate,
    async claims(sub) {
      const user = users.byId(sub)
      if (user === undefined || user.disabledAt !== undefined) return undefined
      return {
        sub,
        validSince: user.validFrom,
        preferred_username: user.username,
        ...(user.name === undefined ? {} : { name: user.name }),
        ...(user.email === undefined ? {} : { email: user.email, email_verified: false }),
        updated_at: Math.floor(user.validFrom / 1000),
      }
    },
    lookup,
    find: (name) => users.byUsername(name),
    byId: (id) => users.byId(id),
    all: () => users.all(),
    async add(wanted) {
      const user: User = {
        id: randomBytes(16).toString('base64url'),
        username: wanted.username,
        passwordHash: await hashing.hash(wanted.password),
        name: wanted.name,
        email: wanted.email,
        temporaryPassword: wanted.temporaryPassword,
        disabledAt: undefined,
        createdAt: now(),
        validFrom: now(),
      }
      if (!users.insert(user)) throw new AccountError(`the user name ${wanted.username} is taken`)
      return user
    },
    async changePassword(id, password, { temporary }) {
      users.setPassword(id, await hashing.hash(password), { temporary, validFrom: now() })
    },
    disable(id) {
      if (users.disable(id, now())) return
      const name = users.byId(id)?.username
      throw new AccountError(
        `nobody but ${name} may sign in: add another account first, with "coffer-server user add", or only sign everything of ${name} out, with "coffer-server user passwd ${name}"`,
      )
    },
    enable: (id) => users.enable(id, now()),
    signOutEverywhere: (id) => users.setValidFrom(id, now()),
    remove: (id) => users.remove(id),
  }
}
