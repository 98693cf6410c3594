import { expect } from 'chai'
import { CommandError } from '../../../client/command-error.js'
import {
  fingerprintOf,
  parseFingerprint,
  printedFingerprint,
} from '../../../client/http/fingerprint.js'

describe('fingerprints of certificates', () => {
  it('are read as other programs print them', () => {
    const digits = 'ab'.repeat(32)
    for (const spelling of [
      digits,
      digits.toUpperCase(),
      digits.replace(/../g, '$&:').slice(0, -1),
      `SHA256:${digits}`,
      `sha-256=${digits}`,
    ]) {
      expect(parseFingerprint(spelling)).to.equal(digits.toUpperCase())
    }
    for (const bad of ['', 'ab', `${digits}ab`, 'zz'.repeat(32)]) {
      expect(() => parseFingerprint(bad), bad).to.throw(CommandError)
    }
  })

  it('are printed as they are read, and as Node spells them', () => {
    const spelled = Array(32).fill('AB').join(':')
    const fingerprint = parseFingerprint(spelled)
    expect(printedFingerprint(fingerprint)).to.equal(spelled)
    expect(fingerprintOf(spelled)).to.equal(fingerprint)
  })
})
