/** A process of its own over the database named by its parameter; prints the port it listens on. */
import type { AddressInfo } from 'node:net'
import { world } from './fixture.js'

const { app } = await world(process.argv[2])
const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`)
})
