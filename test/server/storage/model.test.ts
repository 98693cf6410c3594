import { expect } from 'chai'
import { dump, Model, perform } from './model.js'
import { nextOperation, random } from './next-operation.js'
import { temporaryStorage } from './temporary.js'

const RUNS = Number(process.env.COFFER_TEST_MODEL_RUNS ?? 4)
const OPERATIONS = 400

describe('Storage under random operations', () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    it(`does what the model does (seed ${seed})`, async () => {
      const subject = await temporaryStorage({ smallBytes: [0, 16_384, 5000][seed % 3] ?? 0 })
      try {
        const tree = await subject.storage.tree('ann')
        const model = new Model()
        const pick = random(seed)
        for (let count = 1; count <= OPERATIONS; count += 1) {
          const operation = nextOperation(pick, model.paths())
          const expected = model.apply(operation)
          const outcome = await perform(tree, tree.root, operation)
          expect(outcome, JSON.stringify(operation)).to.equal(expected)
          if (count % 50 === 0) expect(await dump(tree, tree.root)).to.equal(model.dump())
        }
        expect(await subject.problems()).to.deep.equal([])
      } finally {
        await subject.close()
      }
    }).timeout(60_000)
  }
})
