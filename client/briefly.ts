/** Long enough for a server that is there, too short for anybody to mind. */
const LONGEST_MILLISECONDS = 2_000

/**
 * For what a server that is gone need not hear from us: who ends does not wait for it as for data. What was under way goes on, so the
 * process is expected to end. @throws once it is too late, and what the work throws before
 */
export async function briefly(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no answer within ${LONGEST_MILLISECONDS / 1000} s`)),
      LONGEST_MILLISECONDS,
    )
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
