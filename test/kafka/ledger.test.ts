import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import {
  balance,
  type History,
  type LedgerReport,
  type Life,
  table,
  violations,
} from '../reliability/ledger.js'
import { type Answered, offer, type Verdict, verdictsOf } from '../reliability/load.js'

const verdicts = (status: number, body: string | object, events: number) =>
  verdictsOf(status, typeof body === 'string' ? body : JSON.stringify(body), events).map(v => v.verdict)

test('what an answer says of each event', () => {
  const entry = (code: string, retriable: boolean, index?: number) => ({
    status: 'error',
    code,
    retriable,
    index,
  })
  assert.deepEqual(verdicts(201, '', 2), ['stored', 'stored'])
  assert.deepEqual(verdicts(202, '', 1), ['accepted'])
  assert.deepEqual(verdicts(207, { error: [entry('deadline_unknown', false, 1)] }, 3), [
    'stored',
    'unknown',
    'stored',
  ])
  assert.deepEqual(verdicts(503, { error: [entry('deadline_not_stored', true, 0)] }, 1), ['not_stored'])
  assert.deepEqual(verdicts(504, { error: [entry('over_capacity', true)] }, 2), ['not_stored', 'not_stored'])
  assert.deepEqual(verdicts(400, { invalid: [entry('validation_failed', false, 0)] }, 1), ['not_stored'])
  assert.deepEqual(verdicts(503, { error: [entry('deadline_not_stored', true, 0)] }, 2), [
    'not_stored',
    'unexplained',
  ])
  assert.deepEqual(verdicts(504, { error: [entry('no_such_code', false, 0)] }, 1), ['unexplained'])
  assert.deepEqual(verdicts(500, 'oops', 1), ['unexplained'])
})

const event = (id: string, verdict: Verdict, more: Partial<Answered> = {}): Answered => ({
  id,
  stream: 's',
  delivery: verdict === 'accepted' ? 'hasty' : 'guaranteed',
  sentAt: 20_000,
  latency: 5,
  status: { stored: 201, accepted: 202, no_answer: 0, never_sent: 0 }[verdict as string] ?? 503,
  code: undefined,
  verdict,
  ...more,
})

/** What the books say of these events: each is stored as often as `stored` says, or, without that, once if it was to be. */
function books(events: Answered[], stored: Record<string, number> = {}, history: Partial<History> = {}) {
  const due = events.filter(({ verdict }) => verdict === 'stored' || verdict === 'accepted')
  const records = new Map([
    ...due.map(({ id }) => [id, 1] as const),
    ...Object.entries(stored).filter(([, times]) => times > 0),
  ])
  for (const [id, times] of Object.entries(stored)) if (times === 0) records.delete(id)
  return balance(events, records, { faults: [], lives: [], deleted: [], heldUpMs: 0, ...history }, 9000)
}

/** Enough that is well, so that one event more or less breaks no share. */
const well = Array.from({ length: 20 }, (_, i) => event(`well-${i}`, 'stored'))

test('the books: promises that are kept', () => {
  const kept = books([...well, event('hasty', 'accepted')])
  assert.deepEqual(violations(kept), [])
  assert.match(table(kept), /\| answered 201, of guaranteed events \| 100.00 % of 20 \|/)
  assert.equal(kept.storedOnce, 21)
  assert.deepEqual(kept.suspects, [])
  // A run in which nothing was sent proves nothing.
  assert.equal(violations(books([])).length, 2)
})

const early = { sentAt: 1 }
const broken: [what: string, report: LedgerReport][] = [
  ['1 events were answered 201 and are not stored', books([...well, event('a', 'stored')], { a: 0 })],
  [
    '1 events were said to be not stored and are',
    books([...well, event('a', 'not_stored', early)], { a: 1 }),
  ],
  ['1 events are stored more than once', books([...well, event('a', 'stored')], { a: 2 })],
  ['1 events are stored that nobody sent', books(well, { stranger: 1 })],
  [
    '1 events were answered after the deadline',
    books([...well, event('a', 'unknown', { latency: 9001, ...early })]),
  ],
  ['1 events got no answer', books([...well, event('a', 'no_answer', early)])],
  [
    '1 events were refused a connection while there was a gate',
    books([...well, event('a', 'never_sent', early)]),
  ],
  ['1 events failed with no word about their fate', books([...well, event('a', 'unexplained', early)])],
  [
    '1 events were answered 202 and lost, and no metric counts them',
    books([...well, event('a', 'accepted')], { a: 0 }),
  ],
  [
    '1 events were hasty, and not accepted later than 15 s after a fault',
    books([...well, event('a', 'not_stored', { delivery: 'hasty' })]),
  ],
  [
    'only 88.89 % of what a living gate was offered were answered 201',
    books([...well.slice(0, 8), event('a', 'not_stored', early)]),
  ],
  [
    'of those sent later than 15 s after a fault only 95.24 % were',
    books([...well, event('a', 'not_stored')]),
  ],
  [
    '1 gates did not end with 0 on SIGTERM',
    books(
      well,
      {},
      { lives: [{ started: 0, from: 0, to: 90_000, ended: 'SIGTERM', exitCode: 1, counted: 0 }] },
    ),
  ],
]
for (const [what, report] of broken) {
  test(`the books: a promise that is broken: ${what}`, () => assert.deepEqual(violations(report), [what]))
}

test('the books: events for which a promise was broken are named', () => {
  const bad: Answered[] = [
    event('missing', 'stored'),
    event('twice', 'stored'),
    event('denied', 'not_stored', early),
    event('late', 'unknown', { latency: 9001, ...early }),
    event('silent', 'no_answer', early),
    event('refused', 'never_sent', early),
    event('unexplained', 'unexplained', early),
    event('calm', 'not_stored'),
  ]
  const { suspects } = books([...well, ...bad], { missing: 0, twice: 2, denied: 1 })
  assert.deepEqual(
    suspects.map(({ id, stored }) => [id, stored]),
    bad.map(({ id }) => [id, { twice: 2, denied: 1 }[id] ?? 0]),
  )
})

test('the books: a client that was held up itself measures so much too much', () => {
  const late = event('a', 'unknown', { latency: 9300, ...early })
  assert.deepEqual(violations(books([...well, late], {}, { heldUpMs: 300 })), [])
  assert.equal(violations(books([...well, late], {}, { heldUpMs: 299 })).length, 1)
})

test('the books: what is of unknown fate may be stored or not', () => {
  const report = books([...well, event('a', 'unknown', early), event('b', 'unknown', early)], { a: 1 })
  assert.deepEqual(violations(report), [])
  assert.deepEqual([report.unknownStored, report.unknownMissing], [1, 1])
})

test('the books: calm is from 15 s after a fault to a second before the next', () => {
  const faults = [
    { what: 'one', from: 30_000, to: 40_000 },
    { what: 'two', from: 60_000, to: 61_000 },
  ]
  const failedAt = (sentAt: number) =>
    books([...well, event('a', 'not_stored', { sentAt })], {}, { faults }).settled.shareStored
  for (const sentAt of [0, 14_999, 29_500, 35_000, 54_999, 59_500, 60_500, 75_999]) {
    assert.equal(failedAt(sentAt), 1, `at ${sentAt}`)
  }
  for (const sentAt of [15_001, 28_999, 55_001, 58_999, 76_001]) {
    assert.ok(failedAt(sentAt) < 1, `at ${sentAt}`)
  }
  const [one, two] = books([...well, event('a', 'stored', { sentAt: 50_000 })], {}, { faults }).faults
  assert.deepEqual([one?.sent, one?.shareStored, one?.longestGap], [1, 1, 20_005])
  assert.deepEqual([two?.sent, two?.longestGap], [0, 0])
})

const lives: Life[] = [
  { started: 0, from: 0, to: 30_000, ended: 'kill -9', counted: 0 },
  { started: 30_500, from: 31_000, to: 90_000, ended: 'SIGTERM', exitCode: 0, counted: 1 },
]

const gateFaults = [
  { what: 'gate killed', from: 29_500, to: 31_000 },
  { what: 'gate ended', from: 90_000, to: 91_000 },
]

test('the books: a gate that was killed answers nobody, and none is there until the next', () => {
  const report = books(
    [
      ...well,
      // Under way when it was killed; and over a connection whose end the client had not seen yet.
      event('a', 'no_answer', { sentAt: 29_000, latency: 1001 }),
      event('b', 'no_answer', { sentAt: 30_001, latency: 1 }),
      event('c', 'never_sent', { sentAt: 30_500 }),
    ],
    {},
    { lives, faults: gateFaults },
  )
  assert.deepEqual([report.gateKilled, report.noGate, report.offered], [2, 1, 20])
  assert.deepEqual(violations(report), [])
})

test('the books: a gate that lives, or ends in order, answers', () => {
  const silent = (sentAt: number, latency: number, verdict: Verdict = 'no_answer') =>
    violations(
      books([...well, event('a', verdict, { sentAt, latency })], {}, { lives, faults: gateFaults }),
    )[0]
  assert.equal(silent(29_000, 10), '1 events got no answer')
  assert.equal(silent(29_000, 8000), '1 events got no answer', 'it hung, though the gate was dead')
  assert.equal(silent(32_000, 10), '1 events got no answer')
  assert.equal(silent(90_001, 10), '1 events got no answer', 'SIGTERM is no excuse')
  assert.equal(silent(32_000, 1, 'never_sent'), '1 events were refused a connection while there was a gate')
  assert.equal(silent(90_001, 1, 'never_sent'), undefined)
})

test('the books: what was accepted hastily and is not stored has a reason each', () => {
  const lost = (...times: number[]) =>
    books(
      [...well, ...times.map((sentAt, i) => event(`lost-${i}`, 'accepted', { sentAt }))],
      Object.fromEntries(times.map((_, i) => [`lost-${i}`, 0])),
      { lives },
    )
  const byKill = lost(29_990)
  assert.deepEqual([byKill.hasty.lostByKill, byKill.hasty.lost], [1, 0])
  assert.deepEqual(violations(byKill), [])
  // Long before the kill: that gate counted nothing.
  assert.equal(lost(19_000).hasty.uncounted, 1)
  // It listens a moment before it is seen to: that is the second's.
  assert.deepEqual(violations(lost(30_900)), [])
  // The second gate says that it lost one, and answers for no other gate's.
  const counted = lost(40_000)
  assert.deepEqual([counted.hasty.lost, counted.hasty.counted, counted.hasty.uncounted], [1, 1, 0])
  assert.deepEqual(violations(counted), [])
  assert.equal(lost(40_000, 41_000).hasty.uncounted, 1)
  assert.equal(lost(19_000, 40_000).hasty.uncounted, 1)
})

test('the books: what was acknowledged before its topic was deleted is gone with it', () => {
  const history = { deleted: [{ topic: 's', recreatedAt: 20_004 }] }
  const missing = (more: Partial<Answered>) =>
    books([...well, event('a', 'stored', more), event('b', 'accepted', more)], { a: 0, b: 0 }, history)
  const before = missing({ latency: 3 })
  assert.deepEqual([before.lostWithTopic, before.hasty.lostWithTopic], [1, 1])
  assert.deepEqual(violations(before), [])
  assert.equal(violations(missing({ latency: 5 })).length, 2, 'acknowledged after it was made anew')
  assert.equal(violations(missing({ latency: 3, stream: 'other' })).length, 2, 'of another topic')
})

test('the load: at its rate, arrays among it, silence given up', async t => {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => {
      body += chunk
    })
    request.on('end', () => {
      if (!Array.isArray(JSON.parse(body))) response.writeHead(201).end()
    })
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const answered = await offer({
    url: `http://127.0.0.1:${port}/v1/events`,
    rate: 300,
    streams: ['one', 'two'],
    more: elapsed => elapsed < 1000,
    giveUpMs: 2000,
  })
  // Never above its rate; below it only as far as a busy machine keeps the loop from its last turn.
  assert.ok(answered.length > 200 && answered.length <= 310, String(answered.length))
  assert.equal(new Set(answered.map(({ id }) => id)).size, answered.length)
  const silent = answered.filter(({ verdict }) => verdict === 'no_answer')
  assert.equal(silent.length % 5, 0)
  assert.ok(silent.length >= 50 && silent.every(({ latency }) => latency >= 1999))
})
