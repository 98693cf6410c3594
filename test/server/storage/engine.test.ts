import { contract } from './contract.js'
import { temporaryStorage } from './temporary.js'

contract('SQLite and a content folder', () => temporaryStorage())
