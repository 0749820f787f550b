import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formats } from '#src/lib/schemas/formats.js'
import { looseTimeOf, secondsOf, timeOf } from '#src/lib/time.js'

const ZONES = ['UTC', 'America/New_York', 'Asia/Kolkata', 'Pacific/Apia']
const isDateTime = formats['date-time'] as (text: string) => boolean

/** Runs the same in processes of several time zones; Node reads the variable again when it is set. */
function inEachZone(run: (zone: string) => void): void {
  const before = process.env.TZ
  const offsets = new Set<number>()
  try {
    for (const zone of ZONES) {
      process.env.TZ = zone
      offsets.add(new Date(2026, 0, 2).getTimezoneOffset())
      run(zone)
    }
  } finally {
    if (before === undefined) delete process.env.TZ
    else process.env.TZ = before
  }
  assert.equal(offsets.size, ZONES.length, 'the zones did not change')
}

const TIMES: [text: string, iso: string][] = [
  ['2026-01-02T03:04:05.006Z', '2026-01-02T03:04:05.006Z'],
  ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
  ['2026-01-02t03:04:05z', '2026-01-02T03:04:05.000Z'],
  ['2026-01-02 03:04:05Z', '2026-01-02T03:04:05.000Z'],
  ['2026-01-02\t03:04:05Z', '2026-01-02T03:04:05.000Z'],
  ['2026-01-02 03:04:05 +0100', '2026-01-02T02:04:05.000Z'],
  ['2026-01-02T03:04:05+01:00', '2026-01-02T02:04:05.000Z'],
  ['2026-01-02T03:04:05+05', '2026-01-01T22:04:05.000Z'],
  ['2026-01-02T03:04:05-0530', '2026-01-02T08:34:05.000Z'],
  ['2026-01-02T03:04:05-00:30', '2026-01-02T03:34:05.000Z'],
  ['2026-01-02T03:04:05.9999999Z', '2026-01-02T03:04:05.999Z'],
  ['2026-01-02T03:04:05.5Z', '2026-01-02T03:04:05.500Z'],
  ['2026-01-02T03:04:05,25Z', '2026-01-02T03:04:05.250Z'],
  // Without a zone.
  ['2026-01-02T03:04:05', '2026-01-02T03:04:05.000Z'],
  ['2026-07-02 03:04:05.5', '2026-07-02T03:04:05.500Z'],
  ['2026-01-02T03:04', '2026-01-02T03:04:00.000Z'],
  ['2026-01-02', '2026-01-02T00:00:00.000Z'],
  ['2026-02', '2026-02-01T00:00:00.000Z'],
  ['2024-02-29', '2024-02-29T00:00:00.000Z'],
  ['2026-01-02T24:00:00Z', '2026-01-03T00:00:00.000Z'],
  // Leap seconds.
  ['2016-12-31T23:59:60Z', '2016-12-31T23:59:59.999Z'],
  ['2016-12-31T23:59:60.5Z', '2016-12-31T23:59:59.999Z'],
  ['2016-12-31T15:59:60-08:00', '2016-12-31T23:59:59.999Z'],
  ['2016-12-31T23:59:60+05:00', '2016-12-31T18:59:59.999Z'],
  // Far from today.
  ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000Z'],
  ['1969-12-31T23:00:00-05:00', '1970-01-01T04:00:00.000Z'],
  ['0050-01-01', '0050-01-01T00:00:00.000Z'],
  ['+012026-01-02T03:04:05Z', '+012026-01-02T03:04:05.000Z'],
]

const NO_TIMES: [text: string, reason: string][] = [
  ['2026-02-29T00:00:00Z', 'there is no day 2026-02-29'],
  ['2026-02-30T00:00:00Z', 'there is no day 2026-02-30'],
  ['2026-04-31', 'there is no day 2026-04-31'],
  ['2026-13-01T00:00:00Z', 'there is no day 2026-13-01'],
  ['2026-00-01T00:00:00Z', 'there is no day 2026-00-01'],
  ['2026-01-00T00:00:00Z', 'there is no day 2026-01-00'],
  ['2026-01-02T24:00:01Z', 'there is no time 24:00:01'],
  ['2026-01-02T29:00:00Z', 'there is no time 29:00:00'],
  ['2026-01-02T03:60:00Z', 'there is no time 03:60:00'],
  ['2026-01-02T03:04:60Z', 'there is no time 03:04:60'],
  ['2026-01-02T03:04:05+24:00', 'its zone is not an offset from UTC'],
  ['2026-01-02T03:04:05+05:60', 'its zone is not an offset from UTC'],
  ['+999999-01-02', 'there is no day +999999-01-02'],
  ...[
    ...['', 'yesterday', '12', '2026', '20260102', '2026-1-2', '1767323045', '1767323045000', '03:04:05Z'],
    ...[
      '2026-01-02T03:04:05Z (or so)',
      '2026-01-02T03:04:05Z!',
      '2026-01-02 noon',
      '2026-01-02T',
      '-2026-01-02',
    ],
    ...[' 2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z ', '2026-01-02T03:04:05Z\n', '2026-01-02T03:04:05.Z'],
    ...['2026-01-02T03:04:05 (UTC)', '2026-01-02T03:04:05+1', '2026-01-02T03:04:05+01:0', '02/01/2026'],
    ...['Fri, 02 Jan 2026 03:04:05 GMT', '２０２６-01-02', '2026-01-02TO3:04:05Z', '2026-01-02T03:04:05ZZ'],
  ].map((text): [string, string] => [text, 'it is not in ISO 8601']),
]

test('times by example, in any time zone', () => {
  inEachZone(zone => {
    for (const [text, iso] of TIMES) {
      const time = timeOf(text)
      assert.equal(typeof time === 'number' ? new Date(time).toISOString() : time, iso, `${text} in ${zone}`)
    }
  })
})

test('what is not a time is refused with the reason, in any time zone', () => {
  inEachZone(zone => {
    for (const [text, reason] of NO_TIMES) assert.equal(timeOf(text), reason, `${text} in ${zone}`)
  })
})

test('what a Date writes is read back', () => {
  fc.assert(
    fc.property(fc.date({ noInvalidDate: true }), date => {
      assert.equal(timeOf(date.toISOString()), date.getTime())
    }),
  )
})

test('what format date-time accepts is a time, or is refused because the day, the time or the zone does not exist', () => {
  const two = (max: number) => fc.integer({ min: 0, max }).map(n => String(n).padStart(2, '0'))
  const text = fc
    .tuple(
      ...[fc.integer({ min: 0, max: 9999 }).map(n => String(n).padStart(4, '0')), two(19), two(39)],
      ...[fc.constantFrom('T', 't', ' ', '\u00a0'), two(29), two(60), two(60)],
      ...[
        fc.constantFrom('', '.5', '.123456'),
        fc.constantFrom('z', 'Z', '+05', '+0530', '-05:30', '+99:99'),
      ],
    )
    .map(([y, m, d, t, h, min, s, f, z]) => `${y}-${m}-${d}${t}${h}:${min}:${s}${f}${z}`)
  let times = 0
  fc.assert(
    fc.property(text, text => {
      if (!isDateTime(text)) return
      const time = timeOf(text)
      if (typeof time === 'number') times++
      else assert.match(time, /^there is no (day|time) |^its zone is not/, text)
    }),
    { numRuns: 2000 },
  )
  assert.ok(times > 20, `${times}`)
})

test('what was probably meant is told the same in any time zone', () => {
  inEachZone(zone => {
    for (const text of [
      'Fri, 02 Jan 2026 03:04:05 GMT',
      '2026/01/02 03:04:05',
      '2026-01-02T03:04:05',
      'Jan 2, 2026 03:04:05',
    ])
      assert.equal(looseTimeOf(text), Date.UTC(2026, 0, 2, 3, 4, 5), `${text} in ${zone}`)
    assert.equal(looseTimeOf('Fri, 02 Jan 2026 03:04:05 +0100'), Date.UTC(2026, 0, 2, 2, 4, 5))
    assert.ok(Number.isNaN(looseTimeOf('nothing of the kind')))
  })
})

test('a duration is a number with a unit', () => {
  assert.deepEqual(['90s', '15m', '2h', '7d'].map(secondsOf), [90, 900, 7200, 604_800])
  for (const wrong of ['15', 'm', '0m', '1.5h', '-1m', '1w', ' 1m', '15 m', 15, undefined, ['1m', '2m']])
    assert.equal(secondsOf(wrong), undefined)
})
