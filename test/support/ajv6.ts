import assert from 'node:assert/strict'
import Ajv6 from 'ajv6'
import { GateError } from '#src/lib/errors.js'
import type { Event } from '#src/lib/eventgate.js'
import { compile } from '#src/lib/schemas/compiler.js'
import { DocumentReader } from '#src/lib/schemas/document.js'

/** What one of the two says of an event, and makes of it. */
interface Verdict {
  event: unknown
  errors: unknown[]
  count: number
  text: string
}

const MAX_ERRORS = 16

type Judge = (value: unknown) => Verdict

const reader = new DocumentReader({ allowInsecure: true })

export function ours(document: object): Judge {
  const schema = compile(reader.read('/test/1.0.0', JSON.stringify(document)), new Map())
  return value => {
    const event = structuredClone(value) as Event
    try {
      schema.validate(event)
    } catch (error) {
      if (!(error instanceof GateError) || error.code !== 'validation_failed') throw error
      return { event, errors: [...error.errors], count: error.errorsCount, text: error.message }
    }
    return { event, errors: [], count: 0, text: '' }
  }
}

/** The original's: Ajv 6 with its default formats, errors joined as the original does. */
const ajv6 = new Ajv6({
  allErrors: true,
  useDefaults: true,
  unknownFormats: 'ignore',
  schemaId: 'auto',
  logger: false,
})

ajv6.addMetaSchema({ id: 'http://json-schema.org/draft-04/schema#', type: 'object' })

function theirs(document: object): Judge {
  const validate = ajv6.compile(structuredClone(document))
  return value => {
    const event = structuredClone(value)
    validate(event)
    const all = validate.errors ?? []
    const errors = all.slice(0, MAX_ERRORS)
    const text = errors.map(({ dataPath, message }) => `'${dataPath}' ${message}`).join(', ')
    return { event, errors, count: all.length, text }
  }
}

/** Gives how many errors both have found. */
export function comparing(document: object): (value: unknown) => number {
  const [mine, their] = [ours(document), theirs(document)]
  return value => {
    const [one, other] = [mine(value), their(value)]
    assert.equal(one.text, other.text)
    assert.equal(one.count, other.count)
    assert.deepEqual(one.errors, other.errors)
    assert.deepEqual(one.event, other.event)
    return one.count
  }
}
