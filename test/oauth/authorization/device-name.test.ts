import { expect } from 'chai'
import { deviceName } from '../../../oauth/authorization/device-name.js'
import { OAuthError } from '../../../oauth/errors.js'
import { Parameters } from '../../../oauth/http/parameters.js'

describe('deviceName', () => {
  for (const [said, name] of [
    ['anna-laptop', 'anna-laptop'],
    ["  Anna's\tlaptop \n", "Anna's laptop"],
    ['Kühlschrank 冷蔵庫', 'Kühlschrank 冷蔵庫'],
    ['u\u0308', 'ü'],
    ['gnp\u202eexe.\u200b', 'gnp exe.'],
    ['\u0000\u001b[31mred', '[31mred'],
    ['x'.repeat(1000), 'x'.repeat(64)],
    ['😀'.repeat(100), '😀'.repeat(64)],
    [`${'x'.repeat(63)} y`, 'x'.repeat(63)],
    [' \u202e ', undefined],
    ['', undefined],
  ] as const) {
    it(`takes ${JSON.stringify(said.slice(0, 20))} for ${JSON.stringify(name?.slice(0, 20))}`, () => {
      expect(deviceName(new Parameters([['device_name', said]]))).to.equal(name)
    })
  }

  it('is nothing where nothing is said, and an error where it is said twice', () => {
    expect(deviceName(new Parameters([]))).to.equal(undefined)
    const twice = new Parameters([
      ['device_name', 'a'],
      ['device_name', 'b'],
    ])
    expect(() => deviceName(twice)).to.throw(OAuthError)
  })
})
