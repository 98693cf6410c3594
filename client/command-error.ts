/** A command of `coffer` cannot be carried out. The message says what is wrong and what to do; it is all the user sees. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}
