import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { GateError } from '#src/lib/errors.js'
import type { Event, Schema } from '#src/lib/eventgate.js'
import { diff } from '#src/lib/explain/json-patch.js'
import { type Repairer, repairerFor } from '#src/lib/explain/repairer.js'
import { wordsOf } from '#src/lib/explain/words.js'
import { compile } from '#src/lib/schemas/compiler.js'
import { DocumentReader } from '#src/lib/schemas/document.js'
import { SchemaRepository } from '#src/lib/schemas/repository.js'
import { patched } from '../../support/patched.js'
import { CASES } from '../../support/schema-cases.js'
import { worlds } from '../../support/schema-worlds.js'
import { CORPORA } from '../../support/service.js'

const reader = new DocumentReader({ allowInsecure: true })

function compiled(document: object) {
  return compile(reader.read('/test/1.0.0', JSON.stringify(document)), new Map())
}

/** A search that has no end. */
function searchIn(schema: Schema): Repairer {
  return repairerFor(schema, Infinity) as Repairer
}

/** As the gate does it. */
function accepts(schema: Schema, event: unknown): boolean {
  try {
    schema.validate(structuredClone(event) as Event)
    return true
  } catch (error) {
    assert.ok(error instanceof GateError && error.code === 'validation_failed')
    return false
  }
}

/** Schemas of the cases that nothing with such properties satisfies. */
const IMPOSSIBLE = new Set(
  [
    { required: ['a', 'b'], properties: { a: { type: 'string', default: 'x' }, b: false } },
    // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSONSchema
    { if: true, then: false },
    { allOf: [false] },
    { oneOf: [true, {}] },
    { not: {} },
  ].map(schema => JSON.stringify(schema)),
)

const isImpossible = (schema: object) =>
  IMPOSSIBLE.has(JSON.stringify(schema)) || (schema as { required?: string[] }).required?.includes('q')

/** Fixes the first complaint that has a suggestion, again and again, as somebody would who follows them. */
function followed(schema: ReturnType<typeof compiled>, event: unknown): unknown {
  let sent = event
  for (let round = 0; round < 20; round++) {
    const complaints = searchIn(schema).complaints(sent)
    if (complaints.length === 0) return sent
    let next: unknown
    for (const complaint of complaints) {
      const made = searchIn(schema).fixOne(sent, complaint, complaints)
      if (made === undefined) continue
      next = patched(sent, diff(sent, made))
      break
    }
    if (next === undefined) return undefined
    sent = next
  }
  return undefined
}

for (const [keyword, cases] of Object.entries(CASES)) {
  test(`what is suggested for ${keyword} is accepted`, () => {
    let fixed = 0
    for (const [document, ...refused] of cases) {
      const schema = compiled(document)
      for (const event of refused) {
        const what = `${JSON.stringify(event)} by ${JSON.stringify(document)}`
        assert.ok(!accepts(schema, event), what)
        const sent = followed(schema, event)
        const whole = searchIn(schema).fix(event)
        if (isImpossible(document)) {
          assert.equal(sent, undefined, what)
          assert.equal(whole, undefined, what)
          continue
        }
        assert.ok(sent !== undefined && accepts(schema, sent), `${what}: became ${JSON.stringify(sent)}`)
        assert.ok(whole !== undefined && accepts(schema, whole), `${what}: became ${JSON.stringify(whole)}`)
        fixed++
      }
    }
    assert.ok(fixed > 0)
  })
}

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

test('what was meant is kept where it can be', () => {
  const meant: [schema: object, sent: unknown, made: unknown][] = [
    [{ type: 'string' }, 42, '42'],
    [{ type: 'integer' }, '42', 42],
    [{ type: 'integer' }, 4.6, 5],
    [{ type: 'boolean' }, 'true', true],
    [{ type: 'array', items: { type: 'string' } }, 'a', ['a']],
    [{ type: 'object' }, '{"a":1}', { a: 1 }],
    [{ enum: ['create', 'update', 'delete'] }, 'updat', 'update'],
    [{ maximum: 10 }, 12, 10],
    [{ maximum: 10, multipleOf: 4 }, 12, 8],
    [{ exclusiveMinimum: 3, type: 'integer' }, 3, 4],
    [{ maxLength: 3 }, 'abcdef', 'abc'],
    [{ minLength: 3 }, 'ab', 'abb'],
    [{ pattern: '^[a-z_]+$', maxLength: 20 }, 'Some Text', 'some_text'],
    [{ format: 'date-time' }, '2026-01-02', '2026-01-02T00:00:00.000Z'],
    [{ format: 'uri' }, 'www.example.org/x', 'https://www.example.org/x'],
    [{ maxItems: 2 }, [1, 2, 3], [1, 2]],
    [{ uniqueItems: true }, [1, 2, 1], [1, 2]],
    [{ required: ['stream'] }, { straem: 's' }, { stream: 's' }],
    [
      { additionalProperties: false, properties: { user_name: { type: 'string' } } },
      { username: 'n' },
      { user_name: 'n' },
    ],
    [{ additionalProperties: false, properties: { a: {} } }, { a: 1, unrelated: 2 }, { a: 1 }],
  ]
  for (const [schema, sent, made] of meant) {
    const search = searchIn(compiled({ properties: { v: schema } }))
    const complaints = search.complaints({ v: sent })
    assert.ok(complaints.length > 0, JSON.stringify(schema))
    assert.deepEqual(search.fixOne({ v: sent }, complaints[0] as never, complaints), { v: made })
  }
})

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

for (const { name, schemas: primary, versions, skip } of CORPORA) {
  test(`an event can be made of each schema of a corpus: ${name}`, { skip }, async () => {
    const schemas = new SchemaRepository({
      ...{ uriField: '$schema', baseUris: [primary], fileExtension: '.yaml', allowInsecure: false },
      ...{
        allowAbsoluteUris: false,
        maxSchemas: 2000,
        failureTtlMs: 5000,
        timeoutMs: 1000,
        userAgent: 'test',
      },
    })
    const listed = await schemas.list()
    assert.ok(listed.length >= versions / 2)
    const files = readdirSync(primary, { recursive: true, encoding: 'utf8' })
    assert.ok(listed.length < files.filter(file => file.endsWith('.yaml')).length)
    await schemas.load(listed.map(({ uri }) => uri))
    const without: string[] = []
    for (const { uri } of listed) {
      let schema: Schema
      try {
        schema = schemas.get(uri)
      } catch {
        continue
      }
      const sample = repairerFor(schema)?.sample()
      if (sample === undefined) without.push(uri)
      else assert.ok(accepts(schema, sample), uri)
    }
    assert.deepEqual(without, [])
  })
}
