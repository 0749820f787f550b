import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compile } from '#src/lib/schemas/compiler.js'
import { DocumentReader } from '#src/lib/schemas/document.js'
import { type Meter, partsOf, type SchemaParts } from '#src/lib/schemas/parts.js'

const reader = new DocumentReader({ allowInsecure: true })

function parts(document: object, others: Record<string, object> = {}): SchemaParts {
  const references = Object.entries(others).map(
    ([uri, other]) => [uri, reader.read(uri, JSON.stringify(other))] as const,
  )
  const schema = compile(reader.read('/a/1.0.0', JSON.stringify(document)), new Map(references))
  const found = partsOf(schema)
  assert.ok(found)
  assert.equal(partsOf(schema), found, 'they are built once')
  return found
}

test('a schema from elsewhere has no parts', () => {
  assert.equal(partsOf({ uri: '/a', title: undefined, declares: () => true, validate() {} }), undefined)
})

test('each part stands alone, and its references mean what they mean in its document', () => {
  const all = parts({
    definitions: { n: { type: 'number' }, x: { $id: '#anchor', type: 'string' } },
    properties: { a: { $ref: '#/definitions/n' }, b: { $ref: '#anchor' } },
  })
  const { a, b } = all.root.properties as Record<string, Record<string, unknown>>
  assert.deepEqual(a, { $ref: '/a/1.0.0#/definitions/n' })
  assert.ok(all.accepts(a ?? {}, 1) && !all.accepts(a ?? {}, 'x'))
  assert.ok(all.accepts(b ?? {}, 'x') && !all.accepts(b ?? {}, 1))
  assert.deepEqual(all.resolve('/a/1.0.0#/definitions/n'), { type: 'number' })
  assert.equal(all.resolve('/a/1.0.0#/definitions/none'), undefined)
  assert.equal(all.resolve('/elsewhere'), undefined)
  const two = parts(
    { properties: { a: { $ref: '/b/1.0.0#/definitions/s' } } },
    { '/b/1.0.0': { definitions: { s: { $ref: '#/definitions/t' }, t: { type: 'string' } } } },
  )
  assert.deepEqual(two.resolve('/b/1.0.0#/definitions/s'), { $ref: '/b/1.0.0#/definitions/t' })
  assert.deepEqual(two.complaints({ a: 'x' }), [])
  assert.equal(two.complaints({ a: 1 }).length, 1)
})

test('complaints name the place, the rule and the value, and leave the event as it is', () => {
  const schema = parts({ properties: { a: { items: { maximum: 3 } }, d: { default: 1 } } })
  const event = { a: [1, 5] }
  const [complaint, ...more] = schema.complaints(event)
  assert.deepEqual(more, [])
  assert.deepEqual(
    [complaint?.steps, complaint?.keyword, complaint?.rule, complaint?.schema, complaint?.value],
    [['a', 1], 'maximum', 3, { maximum: 3 }, 5],
  )
  assert.deepEqual(event, { a: [1, 5] })
})

test('defaults count for the whole schema only', () => {
  const document = { required: ['d'], properties: { d: { default: 1 } } }
  const schema = parts(document)
  assert.deepEqual(schema.complaints({}), [])
  assert.ok(!schema.accepts(schema.root, {}))
})

test('true accepts everything, false nothing, and not the opposite', () => {
  const schema = parts({})
  assert.ok(schema.accepts(true, 1) && !schema.accepts(false, 1))
  assert.equal(schema.not(true), false)
  const text = { type: 'string' }
  assert.ok(schema.accepts(schema.not(text), 1) && !schema.accepts(schema.not(text), 'x'))
  assert.equal(schema.not(text), schema.not(text), 'the same object, which is compiled once')
})

test('only known formats are checked', () => {
  const schema = parts({})
  assert.ok(schema.checksFormat('date-time') && !schema.checksFormat('nonsense'))
})

test('what a validation costs is told: a sub-schema is compiled once', () => {
  const schema = parts({})
  const told: string[] = []
  const meter: Meter = {
    validated: () => void told.push('validated'),
    compiled: () => void told.push('compiled'),
    gaveUp: () => void told.push('gave up'),
  }
  const sub = { type: 'string' }
  schema.accepts(sub, 1, meter)
  schema.accepts(sub, 'x', meter)
  assert.deepEqual(told, ['compiled', 'validated', 'validated'])
})

test('a validation that takes too many steps says so', () => {
  const child = { $ref: '#/definitions/tree' }
  const way = (op: string) => ({ properties: { a: child, op: { const: op } }, required: ['op'] })
  const schema = parts({ definitions: { tree: { anyOf: [way('x'), way('y')] } }, properties: { v: child } })
  const nested = Array.from({ length: 100 }).reduce<object>((a, _, i) => ({ a, op: i % 2 ? 'x' : 'y' }), {})
  let gaveUp = 0
  const meter = { validated() {}, compiled() {}, gaveUp: () => void gaveUp++ }
  schema.complaints({ v: nested }, meter)
  assert.equal(gaveUp, 1)
})
