// biome-ignore-all lint/suspicious/noThenProperty: it is a keyword of JSONSchema
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { comparing } from '../../support/ajv6.js'
import { worlds } from '../../support/schema-worlds.js'

test('random schemas and events: same verdict, errors, text and defaults as Ajv 6', () => {
  let refused = 0
  fc.assert(
    fc.property(worlds, ([root, definition, events]) => {
      const compare = comparing({ ...(root as object), definitions: { d: definition } })
      for (const event of events) if (compare(event) > 0) refused++
    }),
    { numRuns: 2000 },
  )
  assert.ok(refused > 500, `${refused} were refused`)
})
