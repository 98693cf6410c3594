/** A process of its own over the database named by its parameter; prints the port it listens on. */
import type { AddressInfo } from 'node:net'
import { world } from './fixture.js'

const [, , path = ':memory:'] = process.argv
const { app } = await world({ path })
const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`)
})
