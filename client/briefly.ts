/** Long enough for a server that is there, too short for anybody to mind. */
const LONGEST_MILLISECONDS = 2_000

export class TooLate extends Error {}

/**
 * For what a server that is gone, or a disk that hangs, need not hear from us: who ends does not wait for it as for data. What was
 * under way goes on. @throws TooLate once it is, and what the work throws before
 */
export async function briefly<T>(
  work: Promise<T>,
  milliseconds = LONGEST_MILLISECONDS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new TooLate(`no answer within ${milliseconds / 1000} s`)),
      milliseconds,
    )
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
