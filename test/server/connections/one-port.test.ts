import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { expect } from 'chai'
import { type Listening, onOnePort } from '../../../server/connections/one-port.js'

/** Two addresses that every Linux machine has, as 127.0.0.1 and ::1 are those of "localhost". */
const [FIRST, SECOND] = ['127.0.0.1', '127.0.0.2']

describe('one port on several addresses', () => {
  let open: Server[]
  let drawn: number[]
  beforeEach(() => {
    open = []
    drawn = []
  })
  afterEach(() => {
    for (const server of open) server.close()
  })

  async function listenOn(address: string, port: number): Promise<Listening> {
    const server = createServer()
    server.listen(port, address)
    await once(server, 'listening')
    open.push(server)
    const bound = server.address() as AddressInfo
    return { port: bound.port, close: () => server.close() }
  }

  /** Another program takes each of the first `count` ports that are drawn, on the second address. */
  const withTaken = (count: number) => async (address: string, port: number) => {
    const listening = await listenOn(address, port)
    if (address !== FIRST) return listening
    drawn.push(listening.port)
    if (drawn.length <= count) await listenOn(SECOND, listening.port)
    return listening
  }

  it('is drawn again where another program has it on the second address', async () => {
    const { listening, failures } = await onOnePort([FIRST, SECOND], 0, withTaken(3))
    expect(failures).to.deep.equal([])
    expect(drawn.length).to.be.at.least(4)
    expect(listening.map(({ port }) => port)).to.deep.equal([drawn.at(-1), drawn.at(-1)])
    const left = open.filter((server) => server.listening)
    expect(left, 'what was drawn before is free again').to.have.length(3 + 2)
  })

  it('is not drawn for ever', async () => {
    const { failures } = await onOnePort([FIRST, SECOND], 0, withTaken(Number.POSITIVE_INFINITY))
    expect(failures).to.have.length(1)
    expect(drawn).to.have.length(16)
  })

  it('is not another one than was asked for', async () => {
    const taken = await listenOn(SECOND, 0)
    const { listening, failures } = await onOnePort([FIRST, SECOND], taken.port, listenOn)
    expect(failures).to.not.deep.equal([])
    for (const { port } of listening) expect(port).to.equal(taken.port)
  })
})
