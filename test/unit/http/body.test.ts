import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Code, GateError } from '#src/lib/errors.js'
import { isInexact, MAX_DEPTH, MAX_MEMBERS, RequestBody, readBody } from '#src/lib/http/body.js'
import { JsonScan } from '#src/lib/http/json-scan.js'

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

test('an event of nothing but brackets or keys is refused before it is parsed', () => {
  const refused = { code: 'body_too_large', status: 413 }
  const keys = (count: number) => Array.from({ length: count }, (_, n) => `"k${n}":1`).join(',')
  assert.throws(() => read(`{"a":[${'[],'.repeat(MAX_MEMBERS)}[]]}`), refused)
  assert.throws(() => read(`[{},{${keys(MAX_MEMBERS)}}]`), refused)
  // Nor is it worth parsing to learn that it is not JSON.
  assert.throws(() => read(`{"a":${'['.repeat(3_000_000)}}`), refused)
  // At the bound, in many events, and whatever stands in texts.
  assert.equal(read(`[${'{"a":{}},'.repeat(MAX_MEMBERS)}5]`).events.length, MAX_MEMBERS + 1)
  assert.equal(Object.keys(read(`{${keys(MAX_MEMBERS - 1)}}`).events[0] as object).length, MAX_MEMBERS - 1)
  assert.deepEqual(read(`{"a":"${'{[:\\"'.repeat(MAX_MEMBERS)}"}`).events.length, 1)
})

test('so is one of very many items, and a body of too many events', () => {
  const refused = { code: 'body_too_large', status: 413 }
  assert.throws(() => read(`{"a":[${'1,'.repeat(8_000_000)}1]}`), refused)
  const bytes = Buffer.from(`[${'1,'.repeat(5_000_000)}1e999]`)
  const begun = performance.now()
  assert.throws(() => new RequestBody(bytes, 50_000).count(), refused)
  // It is not read to its end.
  assert.ok(performance.now() - begun < 1000)
  assert.throws(() => new RequestBody(Buffer.from('[1,2,3]'), 2).count(), refused)
  assert.equal(new RequestBody(Buffer.from('[1,2]'), 2).count(), true)
})

test('what parsing makes of the heaviest event is weighed, never too little', () => {
  const scanned = (text: string) => {
    const scan = new JsonScan(Buffer.from(text), 0)
    assert.equal(scan.read(), true)
    return scan
  }
  assert.equal(scanned('{"a":[1,{"b":":{[,"}]}').heaviest, 5 * 64 + 24)
  assert.equal(scanned('[1,{"a":[1,{"b":":{[,"}]},[]]').heaviest, 5 * 64 + 24)
  assert.equal(scanned('[1,2,3]').heaviest, 0)
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

test('numbers by example: what survives is taken, what would change is refused', () => {
  const taken = [
    '0',
    '-0',
    '1.0',
    '0.1',
    '9007199254740991',
    '9007199254740992',
    '20210223205005000',
    '-9007199254740992',
    '1e15',
    '1e21',
    '1E+22',
    '1e308',
    '1e-400',
    '0e400',
    '0.00e99999',
    '123456789012345678e-30',
    '9007199254740993.5',
    '3.14159265358979323846264338327950288',
    '1000000000000000000000',
    '12345678901234567.25',
    '90071992547409920e-1',
  ]
  const refused = [
    '9007199254740993',
    '-9007199254740993',
    '12345678901234567890',
    '1e400',
    '-1e309',
    '1E400',
    '1e+400',
    '9'.repeat(400),
    '90071992547409930e-1',
    '9007199254740993.0',
    '123456789012345678e1',
    '0.9007199254740993e16',
    '1e99999999999',
  ]
  for (const number of taken) {
    assert.equal(isInexact(number), false, number)
    assert.deepEqual(codes(`{"a":${number}}`), [undefined], number)
  }
  for (const number of refused) {
    assert.equal(isInexact(number), true, number)
    for (const text of [`{"a":${number}}`, `{"a":[${number}\t]}`, `[{"a":{"b":${number} }}]`])
      assert.deepEqual(codes(text), ['event_number_inexact'], text)
  }
  assert.deepEqual(codes('{"a":"9007199254740993 1e400","9007199254740993":1,"1e400 ":2}'), [undefined])
})

test('the refusal names the number and where it stands', () => {
  const text = '[{},{"a":{"b c":[1,{"d\\u0065":9007199254740993}]}}, 1e400 ]'
  const [first, second, third] = read(text).events
  assert.deepEqual(first, {})
  assert.match(
    (second as GateError).message,
    /^'\.a\.b c\[1\]\.de' is "9007199254740993".* 9007199254740992;/,
  )
  assert.match((third as GateError).message, /^'' is "1e400".*too large/)
})

test('however many numbers are inexact, their events are refused', () => {
  assert.ok(
    codes(`[${Array(3000).fill('{"a":1e400}').join()}]`).every(code => code === 'event_number_inexact'),
  )
})

/** What a number in JSON is, exactly: an integer times a power of ten. */
function exact(number: string): { digits: bigint; exponent: number } {
  const [mantissa = '', exponent = '0'] = number.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length }
}

function sameValue(one: string, other: string): boolean {
  const [a, b] = [exact(one), exact(other)]
  const least = Math.min(a.exponent, b.exponent)
  const scale = (it: typeof a) => it.digits * 10n ** BigInt(it.exponent - least)
  return scale(a) === scale(b)
}

function isInteger(number: string): boolean {
  const { digits, exponent } = exact(number)
  return exponent >= 0 || digits % 10n ** BigInt(-exponent) === 0n
}

const digit = fc.constantFrom(...'0123456789')
const digits = (minLength: number, maxLength: number) =>
  fc.array(digit, { minLength, maxLength }).map(all => all.join(''))
const jsonNumber = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.oneof(
      digits(1, 20),
      digits(15, 18),
      fc.constantFrom('9007199254740991', '9007199254740993', `1${'0'.repeat(22)}`),
    ),
    fc.oneof(fc.constant(''), digits(1, 20), fc.constantFrom('0', '000')),
    fc.oneof(
      fc.constant(''),
      fc.integer({ min: -40, max: 320 }).map(e => `${e % 2 ? 'e' : 'E'}${e > 0 && e % 3 ? '+' : ''}${e}`),
    ),
  )
  .map(
    ([sign, whole, fraction, exponent]) =>
      sign + (whole.replace(/^0+(?=\d)/, '') || '0') + (fraction && `.${fraction}`) + exponent,
  )

test('any number: refused exactly if it is an integer that would change, or too large', () => {
  const seen = { taken: 0, refused: 0 }
  fc.assert(
    fc.property(jsonNumber, number => {
      const kept = JSON.parse(number) as number
      const should =
        !Number.isFinite(kept) ||
        (isInteger(number) &&
          !sameValue(number, JSON.stringify(kept)) &&
          !Object.is(kept, 0) &&
          !Object.is(kept, -0))
      seen[should ? 'refused' : 'taken']++
      assert.equal(isInexact(number), should, number)
      assert.deepEqual(codes(`{"a":[${number}]}`), [should ? 'event_number_inexact' : undefined], number)
    }),
    { numRuns: 5000 },
  )
  assert.ok(seen.taken > 300 && seen.refused > 300, JSON.stringify(seen))
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

test('10 MB of anything are read, or refused, in reasonable time', { timeout: 120_000 }, () => {
  const size = 10 * 1024 * 1024
  const bodies: Record<string, string> = {
    'open arrays': '['.repeat(size),
    'nested arrays': '['.repeat(size / 2) + ']'.repeat(size / 2),
    'nested objects': `${'{"a":'.repeat(size / 6)}1${'}'.repeat(size / 6)}`,
    'array of numbers': `{"a":[${'1,'.repeat(size / 2)}1e400]}`,
    'many events': `[${'{},'.repeat(size / 3)}{"a":1e400}]`,
    'many inexact events': `[${'9007199254740993,'.repeat(size / 17)}1]`,
    'many keys': `{${Array.from({ length: 600_000 }, (_, i) => `"k${i}":{}`).join()},"z":1e400}`,
    backslashes: `{"a":"${'\\\\'.repeat(size / 2)}","b":1e400}`,
    'escaped quotes': `{"a":"${'\\"'.repeat(size / 2)}","b":1e400}`,
    'a long fraction of zeros': `{"a":9007199254740993.${'0'.repeat(size)}1}`,
    'a long number': `{"a":${'9'.repeat(size)}}`,
    'nearly inexact': `{"a":"${'1e1'.repeat(size / 3)}"}`,
    blanks: `{"a":1e5${' '.repeat(size)}}`,
  }
  for (const [name, text] of Object.entries(bodies)) {
    const bytes = Buffer.from(text)
    const started = process.cpuUsage()
    try {
      const body = readBody(bytes)
      body.textOf(body.events.length - 1)
    } catch (error) {
      assert.ok(error instanceof GateError, `${name}: ${error}`)
    }
    const { user } = process.cpuUsage(started)
    assert.ok(user < 8e6, `${name} took ${user / 1e6} s`)
  }
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
