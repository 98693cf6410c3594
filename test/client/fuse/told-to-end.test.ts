import { expect } from 'chai'
import { isEnding } from '../../../client/fuse/told-to-end.js'

/** As proc_pid_status(5) spells sets of signals. */
function status(sets: Readonly<Record<string, readonly number[]>>): string {
  const lines = ['SigPnd', 'ShdPnd', 'SigBlk', 'SigIgn', 'SigCgt'].map((name) => {
    const set = (sets[name] ?? []).reduce((bits, signal) => bits | (1n << BigInt(signal - 1)), 0n)
    return `${name}:\t${set.toString(16).padStart(16, '0')}`
  })
  return `Name:\tcat\n${lines.join('\n')}\nCapInh:\t0000000000000000\n`
}

describe('a thread that waits in the kernel', () => {
  for (const [what, sets, expected] of [
    ['nothing', {}, false],
    ['SIGTERM', { ShdPnd: [15] }, true],
    ['SIGTERM that it heeds', { ShdPnd: [15], SigCgt: [15] }, true],
    ['SIGTERM that it blocks', { ShdPnd: [15], SigBlk: [15] }, false],
    ['SIGKILL', { SigPnd: [9] }, true],
    ['SIGALRM', { ShdPnd: [14], SigCgt: [14] }, false],
    ['SIGABRT', { ShdPnd: [6] }, true],
    ['SIGABRT that it heeds', { ShdPnd: [6], SigCgt: [6] }, false],
    ['SIGXCPU', { ShdPnd: [24] }, true],
  ] as const) {
    it(`${expected ? 'is' : 'is not'} told to end by ${what}`, () => {
      expect(isEnding(status(sets))).to.equal(expected)
    })
  }

  it('is told to end where the system does not say which signals pend', () => {
    expect(isEnding('Name:\tcat\nState:\tD\n')).to.equal(true)
  })
})
