import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Event } from '#src/lib/eventgate.js'
import { accepts, compiled, searchIn } from '../../../support/repair.js'
import { CASES } from '../../../support/schema-cases.js'

test('each format that is checked has a text that is accepted, whatever stood there', () => {
  for (const [{ properties }] of CASES.format as [{ properties: { v: { format: string } } }][]) {
    const { format } = properties.v
    for (const bounds of [{}, { maxLength: 40 }, { minLength: 1 }]) {
      const schema = compiled({ required: ['v'], properties: { v: { type: 'string', format, ...bounds } } })
      for (const event of [{ v: '\\ (' }, { v: 5 }, {}]) {
        const made = searchIn(schema).fix(event) as Event
        assert.ok(made && accepts(schema, made), `${format} ${JSON.stringify(event)}`)
      }
    }
  }
})
