import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NAMES, PROPERTIES, type PropertyOf } from '#src/lib/kafka/properties.js'

test('every property is described, and no two have the same name', () => {
  const spellings = Object.entries(PROPERTIES).flatMap(([name, { aliases = [] }]) => [name, ...aliases])
  assert.equal(new Set(spellings).size, spellings.length)
  assert.equal(NAMES.size, spellings.length)
  for (const [name, { description }] of Object.entries(PROPERTIES)) assert.match(description, /\.$/, name)
})

test('the name of a property is checked when it is compiled, and so is its type', () => {
  const names: PropertyOf<'number'>[] = ['retries', 'message.max.bytes']
  // @ts-expect-error: a misspelt name
  names.push('retry')
  // @ts-expect-error: a flag
  names.push('enable.idempotence')
  assert.equal(names.length, 4)
})
