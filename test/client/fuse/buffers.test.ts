import { expect } from 'chai'
import { RequestBuffers } from '../../../client/fuse/buffers.js'
import { REQUEST_SIZE } from '../../../client/fuse/protocol.js'

describe('the buffers requests are read into', () => {
  const taken = (buffers: RequestBuffers): Buffer => {
    const buffer = buffers.take()
    if (buffer === undefined) throw new Error('no buffer')
    return buffer
  }

  it('hold the largest request, and are never given to two', () => {
    const buffers = new RequestBuffers(2, 1)
    const [first, second] = [taken(buffers), taken(buffers)]
    expect(first).to.have.length(REQUEST_SIZE)
    expect(first).not.to.equal(second)
  })

  it('are at most so many; who waits is called once one comes back', () => {
    const buffers = new RequestBuffers(1, 1)
    const only = taken(buffers)
    expect(buffers.take()).to.equal(undefined)
    let called = 0
    buffers.wait(() => {
      called++
    })
    buffers.give(only)
    expect(called).to.equal(1)
    expect(buffers.take()).to.equal(only)
  })

  it('are let go of beyond those kept in store', () => {
    const buffers = new RequestBuffers(3, 1)
    const [first, second, third] = [taken(buffers), taken(buffers), taken(buffers)]
    for (const buffer of [first, second, third]) buffers.give(buffer)
    expect(taken(buffers)).to.equal(first)
    expect([second, third]).not.to.include(taken(buffers))
  })

  it('wake everybody at the end', () => {
    const buffers = new RequestBuffers(0, 0)
    let called = 0
    for (let waiting = 0; waiting < 3; waiting++) {
      buffers.wait(() => {
        called++
      })
    }
    buffers.close()
    expect(called).to.equal(3)
  })
})
