import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Code, GateError } from '#src/lib/errors.js'
import { MAX_DEPTH, RequestBody, readBody } from '#src/lib/http/body.js'

const read = (text: string) => readBody(Buffer.from(text))

function refusal(body: string | Buffer): Code {
  try {
    readBody(Buffer.from(body))
  } catch (error) {
    assert.ok(error instanceof GateError, String(error))
    return error.code
  }
  assert.fail('it is read')
}

/** Of each event its code, if it is refused. */
const codes = (text: string) =>
  read(text).events.map(event => (event instanceof GateError ? event.code : undefined))

test('one object, or an array of anything', () => {
  assert.deepEqual(read('{"a":1}').events, [{ a: 1 }])
  assert.deepEqual(read(' [ {"a":1} , 2, [], null ] ').events, [{ a: 1 }, 2, [], null])
})

test('bodies that are no events', () => {
  const cases: [string | Buffer, Code][] = [
    ['', 'body_empty'],
    [' \r\n\t', 'body_empty'],
    ['\ufeff', 'body_empty'],
    ['[]', 'body_not_events'],
    ['null', 'body_not_events'],
    ['"text"', 'body_not_events'],
    ['5', 'body_not_events'],
    ['12345678901234567890', 'body_not_events'],
    ['{', 'body_malformed'],
    ['{"a":1}{"a":1}', 'body_malformed'],
    ['{"a":01}', 'body_malformed'],
    ["{'a':1}", 'body_malformed'],
    ['{"a":"\n"}', 'body_malformed'],
    ['{"a":NaN}', 'body_malformed'],
    ['\ufeff\ufeff{}', 'body_malformed'],
    [Buffer.from('{"a":"ä"}', 'latin1'), 'body_not_utf8'],
    [Buffer.from('{"a":"x"}', 'utf16le').subarray(0, 5), 'body_malformed'],
    [Buffer.from([0xff, 0xfe, 0x7b, 0x00]), 'body_not_utf8'],
    [Buffer.from([0x7b, 0xed, 0xa0, 0x80, 0x7d]), 'body_not_utf8'],
    ['['.repeat(100_000), 'body_malformed'],
  ]
  for (const [body, code] of cases)
    assert.equal(refusal(body), code, JSON.stringify(String(body).slice(0, 30)))
})

test('a byte order mark is skipped', () => {
  const body = read('\ufeff[{"a":"\ufeff"}]')
  assert.deepEqual(body.events, [{ a: '\ufeff' }])
  assert.equal(body.textOf(0), '{"a":"\ufeff"}')
})

test('of duplicate keys the last wins, and __proto__ is a key', () => {
  assert.deepEqual(read('{"a":1,"a":2}').events, [{ a: 2 }])
  const [event] = read('{"__proto__":{"x":1}}').events
  assert.deepEqual(Object.keys(event as object), ['__proto__'])
  assert.equal(JSON.stringify(event), '{"__proto__":{"x":1}}')
})

test('events nest up to the limit', () => {
  const arrays = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
  const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
  for (const nested of [arrays, objects]) {
    assert.deepEqual(codes(nested(MAX_DEPTH)), [undefined])
    assert.deepEqual(codes(nested(MAX_DEPTH + 1)), ['event_too_deep'])
    assert.deepEqual(codes(`[{},${nested(MAX_DEPTH + 1)},${nested(MAX_DEPTH)}]`), [
      undefined,
      'event_too_deep',
      undefined,
    ])
    assert.deepEqual(codes(nested(100_000)), ['event_too_deep'])
  }
})

test('however small the slices, a large body is what it is in one', () => {
  const events = Array.from({ length: 20_000 }, (_, n) => ({ n, text: 'x,"]}{\\'.repeat(n % 5) }))
  const bytes = Buffer.from(` ${JSON.stringify(events)} `)
  const body = new RequestBody(bytes)
  let slices = 0
  while (!body.count(0)) slices++
  while (!body.check(0)) slices++
  assert.ok(slices > 20_000, `${slices}`)
  assert.equal(body.length, events.length)
  assert.equal(body.holdsObject, true)
  for (const i of [0, 1, 2, 19_999]) assert.deepEqual(body.at(i), events[i])
  assert.deepEqual(JSON.parse(body.textOf(7)), events[7])
})

test('a large body that is no JSON is refused before any of its events is taken', () => {
  const event = JSON.stringify({ text: 'x'.repeat(1000) })
  const list = Array(200).fill(event).join()
  const bad = [
    ...[`[${list}`, `[${list},]`, `[,${list}]`, `[${list}}`, `[${list}]]`, `[${list}] x`, `[${list} {}]`],
    ...[
      `[${list},{"a":1]]`,
      `[${list},{"a":01}]`,
      `[${list},"\n]`,
      `[${list},nul]`,
      `{"a":[${list}]`,
      `${list}`,
    ],
  ]
  for (const text of bad) assert.equal(refusal(text), 'body_malformed', text.slice(-20))
  assert.equal(refusal(`"${'x'.repeat(200_000)}"`), 'body_not_events')
  assert.equal(refusal(' '.repeat(200_000)), 'body_empty')
  assert.equal(refusal(`[${' '.repeat(200_000)}]`), 'body_not_events')
})

const codeOrValue = (value: unknown) => (value instanceof GateError ? value.code : value)

/** JSON of a value with odd blanks, brackets and quotes wherever they may be. */
const blank = fc.array(fc.constantFrom(' ', '\n', '\r', '\t'), { maxLength: 2 }).map(all => all.join(''))
const nasty = fc.oneof(
  fc.string({
    unit: fc.constantFrom('[', ']', '{', '}', ',', ':', '"', '\\', '\n', 'a', 'é', '💩', '\u2028', '1e400'),
  }),
  fc.string({ unit: 'binary' }),
)
const { json } = fc.letrec<{ json: string; key: string }>(tie => {
  const padded = (text: fc.Arbitrary<string>) => fc.tuple(blank, text, blank).map(all => all.join(''))
  return {
    key: nasty.map(text => JSON.stringify(text)),
    json: fc.oneof(
      { maxDepth: 4 },
      padded(
        fc.constantFrom('1', '-0.5e3', 'true', 'null', '""', '{}', '[]', '[ ]', '{\n}', '9007199254740992'),
      ),
      padded(tie('key') as fc.Arbitrary<string>),
      padded(
        fc.array(tie('json') as fc.Arbitrary<string>, { maxLength: 4 }).map(items => `[${items.join(',')}]`),
      ),
      padded(
        fc
          .array(fc.tuple(padded(tie('key') as fc.Arbitrary<string>), tie('json') as fc.Arbitrary<string>), {
            maxLength: 4,
          })
          .map(all => `{${all.map(pair => pair.join(':')).join(',')}}`),
      ),
    ),
  }
})

test('the text of each event is its own, in small bodies and in large ones', () => {
  const blanks = ' '.repeat(130 * 1024)
  fc.assert(
    fc.property(fc.array(json, { minLength: 1, maxLength: 6 }), items => {
      const small = read(`[${items.join(',')}]`)
      const large = read(`[${items.join(',')}]${blanks}`)
      assert.deepEqual(large.events.map(codeOrValue), small.events.map(codeOrValue))
      for (const i of items.keys()) assert.equal(large.textOf(i), small.textOf(i))
    }),
    { numRuns: 300 },
  )

  fc.assert(
    fc.property(blank, fc.array(json, { minLength: 1, maxLength: 6 }), blank, (before, items, after) => {
      const body = read(`${before}[${items.join(',')}]${after}`)
      for (const [i, item] of items.entries()) {
        assert.equal(body.textOf(i), item.replace(/^[ \n\r\t]+|[ \n\r\t]+$/g, ''))
        assert.deepEqual(JSON.parse(body.textOf(i)), body.events[i])
      }
      assert.equal(body.textOf(items.length), '')
    }),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(blank, json, (before, item) => {
      fc.pre(item.trim().startsWith('{'))
      assert.equal(read(before + item).textOf(0), item.replace(/^[ \n\r\t]+|[ \n\r\t]+$/g, ''))
    }),
  )
})

test('dropped values are read again, and bytes are given back when they are freed', () => {
  const large = Buffer.allocUnsafeSlow(20_000).fill(' ')
  large.write('[{"a":1}, 1e400]')
  const body = new RequestBody(large)
  body.count()
  const value = body.at(0)
  assert.equal(body.at(0), value)
  body.drop()
  assert.notEqual(body.at(0), value)
  assert.deepEqual(body.at(0), value)
  assert.equal((body.at(1) as GateError).code, 'event_number_inexact')
  assert.equal(body.textOf(0), '{"a":1}')
  body.free()
  assert.equal(large.buffer.byteLength, 0)
  // What shares its memory with others is left to them.
  const shared = Buffer.allocUnsafeSlow(40_000).fill(' ').subarray(0, 20_000)
  new RequestBody(shared).free()
  assert.equal(shared.buffer.byteLength, 40_000)
})
