// The spec reporter, with why each skipped test was skipped, and the totals alone on the last line.
const { reporters } = require('mocha')

module.exports = class Totals extends reporters.Spec {
  epilogue() {
    super.epilogue()
    const { passes = 0, failures = 0, pending = 0 } = this.stats
    reporters.Base.consoleLog(`${passes} passed, ${failures} failed, ${pending} skipped`)
  }
}
