import { contract } from './contract.js'
import { temporaryStorage } from './temporary.js'

contract('SQLite and a content folder', () => temporaryStorage())
contract('SQLite with small contents', () => temporaryStorage({ smallBytes: 16_384 }))
contract('SQLite with tiny contents, so that they move to files', () =>
  temporaryStorage({ smallBytes: 4 }),
)
