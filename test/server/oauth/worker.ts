/**
 * A process of its own over the database named by its first parameter, with a clock that is behind by the second (milliseconds);
 * prints the port it listens on.
 */
import type { AddressInfo } from 'node:net'
import { world } from './fixture.js'

const [, , path = ':memory:', behind = '0'] = process.argv
const made = await world({ path })
made.now -= Number(behind)
const server = made.app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`)
})
