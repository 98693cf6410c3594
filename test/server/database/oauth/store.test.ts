import { openDatabase } from '../../../../server/database/database.js'
import { oauthStore } from '../../../../server/database/oauth/store.js'
import { behavesLikeStore } from '../../../oauth/store-contract.js'

behavesLikeStore('SQLite', () => oauthStore(openDatabase(':memory:')))
