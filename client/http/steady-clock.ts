/**
 * A clock that goes on where it was when it is set back: how long something takes is counted by it. A machine that starts with a wrong
 * clock has it set right once the network is there, by hours or years.
 */
export function steadyClock(clock: () => number): () => number {
  let last = Number.NEGATIVE_INFINITY
  let setBack = 0
  return () => {
    const now = clock() + setBack
    if (now < last) setBack += last - now
    else last = now
    return last
  }
}
