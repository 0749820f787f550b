import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GateError } from '#src/lib/errors.js'
import { readBody } from '#src/lib/http/body.js'
import { isInexact } from '#src/lib/http/inexact-numbers.js'

const read = (text: string) => readBody(Buffer.from(text))

/** Of each event its code, if it is refused. */
const codes = (text: string) =>
  read(text).events.map(event => (event instanceof GateError ? event.code : undefined))

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
