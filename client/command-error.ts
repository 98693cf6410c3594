/** A command of `coffer` cannot be carried out. The message says what is wrong and what to do; it is all the user sees. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

/** EX_NOPERM of sysexits.h */
export const LOGIN_NEEDED_STATUS = 77

/** Nothing can be done before somebody logs in: to try again would only tell the server the same token again, which counts as a guess. */
export class LoginNeeded extends CommandError {}
