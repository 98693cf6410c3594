import { expect } from 'chai'

/** One case of the suite: works in `dir`, an empty directory of its own, and throws when the file system is wrong. */
export type Cases = Readonly<Record<string, (dir: string) => Promise<void>>>

/** The call must fail with this errno name. */
export async function fails(
  code: string | readonly string[],
  call: Promise<unknown>,
): Promise<void> {
  const seen = await call.then(
    () => 'success',
    (error: unknown) => (error as NodeJS.ErrnoException).code ?? String(error),
  )
  expect([code].flat()).to.include(seen)
}
