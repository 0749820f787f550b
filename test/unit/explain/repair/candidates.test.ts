import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diff } from '#src/lib/explain/json-patch.js'
import { patched } from '../../../support/patched.js'
import { accepts, compiled, searchIn } from '../../../support/repair.js'
import { CASES } from '../../../support/schema-cases.js'

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
