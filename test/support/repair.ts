import assert from 'node:assert/strict'
import { GateError } from '#src/lib/errors.js'
import type { Event, Schema } from '#src/lib/eventgate.js'
import { type Repairer, repairerFor } from '#src/lib/explain/repairer.js'
import { compile } from '#src/lib/schemas/compiler.js'
import { DocumentReader } from '#src/lib/schemas/document.js'

const reader = new DocumentReader({ allowInsecure: true })

export function compiled(document: object) {
  return compile(reader.read('/test/1.0.0', JSON.stringify(document)), new Map())
}

/** A search that has no end. */
export function searchIn(schema: Schema): Repairer {
  return repairerFor(schema, Infinity) as Repairer
}

/** As the gate does it. */
export function accepts(schema: Schema, event: unknown): boolean {
  try {
    schema.validate(structuredClone(event) as Event)
    return true
  } catch (error) {
    assert.ok(error instanceof GateError && error.code === 'validation_failed')
    return false
  }
}
