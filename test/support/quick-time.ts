/** A clock that goes faster; the same in every process that is told of it. */
export interface QuickClock {
  /** When it was right, in milliseconds of the real clock. */
  readonly from: number
  readonly speed: number
}

export function quickTime({ from, speed }: QuickClock): number {
  return from + (Date.now() - from) * speed
}

/** Gives a program of ours such a clock, its threads too. Timers are not its: they go as they always do. */
export function quickEnvironment({ from, speed }: QuickClock): NodeJS.ProcessEnv {
  const code = `
    const Real = Date
    const now = () => Math.floor(${from} + (Real.now() - ${from}) * ${speed})
    globalThis.Date = new Proxy(Real, {
      construct: (target, given) => (given.length === 0 ? new target(now()) : new target(...given)),
      get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
    })`
  return { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(code)}` }
}
