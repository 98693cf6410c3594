import { expect } from 'chai'
import type { FrameReceiver } from '../../client/http/frame-connection.js'
import { Channels } from '../../client/remote/channel.js'
import { Meter } from '../../client/remote/meter.js'
import { encodeFrame } from '../../server/wire/frames.js'

const BOUNDS = { lifeMilliseconds: 1e6, idleMilliseconds: 1e6, operations: 1e6 }

describe('an answer that nobody asked for', () => {
  it('ends its channel, on which the next one would be taken for another', async () => {
    const opened: FrameReceiver[] = []
    let answers = 2
    const channels = new Channels(
      async (receiver) => {
        opened.push(receiver)
        return {
          write: () => {
            const answer = encodeFrame({ outcome: 'done', offset: opened.length })
            for (let count = 0; count < answers; count++) receiver.came(answer)
          },
          end: () => {},
          destroy: () => {},
          bounds: BOUNDS,
        }
      },
      () => 0,
      new Meter(() => 0),
    )
    const asked = async () => (await channels.ask({ op: 'root' })).result
    expect(await asked()).to.include({ offset: 1 })
    answers = 1
    expect(await asked()).to.include({ offset: 2 })
    expect(await asked()).to.include({ offset: 2 })
    expect(opened).to.have.length(2)
    channels.close()
  })
})
