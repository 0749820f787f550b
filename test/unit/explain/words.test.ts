import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wordsOf } from '#src/lib/explain/words.js'
import { compiled, searchIn } from '../../support/repair.js'
import { CASES } from '../../support/schema-cases.js'

test('every keyword has words of its own', () => {
  const seen = new Set<string>()
  for (const cases of Object.values(CASES)) {
    for (const [document, ...refused] of cases) {
      const search = searchIn(compiled(document))
      for (const event of refused) {
        for (const complaint of search.complaints(event)) {
          const words = wordsOf(complaint)
          assert.doesNotMatch(words, /undefined|\[object|should/, complaint.schemaPath)
          seen.add(complaint.keyword)
        }
      }
    }
  }
  assert.equal(seen.size, 28, [...seen].sort().join())
})
