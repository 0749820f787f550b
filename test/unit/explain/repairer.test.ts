import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { accepts, compiled, searchIn } from '../../support/repair.js'
import { worlds } from '../../support/schema-worlds.js'

test('random schemas: what is suggested fixes what it is suggested for, and what is fixed is accepted', () => {
  let refused = 0
  let satisfiable = 0
  let fixed = 0
  fc.assert(
    fc.property(worlds, ([root, definition, dictionaries]) => {
      // Dictionaries of fast-check have no prototype.
      const events = dictionaries.map(event => JSON.parse(JSON.stringify(event)))
      const schema = compiled({ ...(root as object), definitions: { d: definition } })
      const some = events.some(event => accepts(schema, event))
      for (const event of events) {
        if (accepts(schema, event)) continue
        refused++
        const before = structuredClone(event)
        const made = searchIn(schema).fix(event)
        assert.deepEqual(event, before)
        if (made !== undefined) assert.ok(accepts(schema, made))
        if (!some) continue
        satisfiable++
        if (made !== undefined) fixed++
      }
    }),
    { numRuns: 200, seed: 8 },
  )
  assert.ok(refused > 50, `${refused} were refused`)
  assert.ok(fixed >= 0.9 * satisfiable, `${fixed} of ${satisfiable} were fixed`)
})
