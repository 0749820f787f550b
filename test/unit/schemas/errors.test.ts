// biome-ignore-all lint/suspicious/noThenProperty: it is a keyword of JSONSchema
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { comparing } from '../../support/ajv6.js'
import { CASES } from '../../support/schema-cases.js'

for (const [keyword, cases] of Object.entries(CASES)) {
  test(`errors of ${keyword} are those of Ajv 6`, () => {
    for (const [schema, ...refused] of cases) {
      const compare = comparing(schema)
      for (const value of refused)
        assert.ok(compare(value) > 0, `${JSON.stringify(schema)} refuses ${JSON.stringify(value)}`)
      compare({ unrelated: 1 })
    }
  })
}
