/** The kernel's own read-ahead asks out of order, but not further apart than this. */
const NEAR_BYTES = 1 << 20
/** Who begins with so much at once reads on. */
const LONG_BYTES = 512 << 10
/** What the kernel reads ahead out of order has at least this much: what is shorter and goes back is a jump, however near. */
const SHORT_BYTES = 64 << 10
/** So many jumps back are no accident, until a run of reads on. */
const MOST_BACK = 2
const RUN = 8

/** What a read is to those before: it may be the first of many, it reads on, or it is somewhere else. */
export type Step = 'begins' | 'on' | 'elsewhere'

/** Where a program reads in an open file: on and on, perhaps with gaps, or here and there. */
export class ReadingCourse {
  /** Where it began to read on. */
  #from = 0
  /** Where it reads next. */
  #next = 0
  /** Jumps back since the last run. */
  #back = 0
  #run = 0

  /** Everything before is behind it: it goes back no further. */
  get behind(): number {
    return this.#next - NEAR_BYTES
  }

  /** How much it has read on. */
  get length(): number {
    return this.#next - this.#from
  }

  step(offset: number, length: number): Step {
    const end = offset + length
    const isNear = Math.abs(offset - this.#next) <= NEAR_BYTES
    const isShort = length < SHORT_BYTES
    if (isShort && offset < this.#next) this.#jumpedBack()
    else if (isNear) this.#readOn(isShort)
    else this.#run = 0
    const isSequential = isNear && this.#back < MOST_BACK
    this.#next = isSequential ? Math.max(this.#next, end) : end
    if (isSequential) return offset > 0 || length >= LONG_BYTES ? 'on' : 'begins'
    this.#from = offset
    return 'elsewhere'
  }

  #jumpedBack(): void {
    this.#back += 1
    this.#run = 0
  }

  #readOn(isShort: boolean): void {
    this.#run += 1
    if (!isShort || this.#run >= RUN) this.#back = 0
  }
}
