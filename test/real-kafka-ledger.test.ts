import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { balance, table, violations } from '../bench/ledger.js'
import { type Answered, offer, type Verdict, verdictsOf } from '../bench/ledger-load.js'

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
  sentAt: 20_000,
  latency: 5,
  status: verdict === 'stored' ? 201 : 503,
  code: undefined,
  verdict,
  ...more,
})

test('the books: what is promised is held against what is stored', () => {
  const kept = balance(
    [event('a', 'stored'), event('b', 'stored')],
    new Map([
      ['a', 1],
      ['b', 1],
    ]),
    [],
    9000,
  )
  assert.deepEqual(violations(kept), [])
  assert.match(table(kept), /\| answered 201 \| 100.00 % \|/)

  const broken = balance(
    [
      event('missing', 'stored'),
      event('twice', 'stored'),
      event('denied', 'not_stored'),
      event('open', 'unknown'),
      event('late', 'unknown', { latency: 9001, sentAt: 1 }),
      event('silent', 'no_answer', { status: 0 }),
    ],
    new Map([
      ['twice', 2],
      ['denied', 1],
      ['open', 1],
      ['stranger', 1],
    ]),
    [{ kind: 'kill', broker: 1, from: 0, to: 1000 }],
    9000,
  )
  assert.deepEqual(violations(broken), [
    '1 events were answered 201 and are not stored',
    '1 events were said to be not stored and are',
    '1 events are stored more than once',
    '1 events are stored that nobody sent',
    '1 events were answered after the deadline',
    '1 events got no answer',
    'only 33.33 % were answered 201',
    'of those sent 15 s after the last fault only 40.00 % were',
  ])
  assert.equal(broken.unknownStored, 1)
  assert.equal(broken.unknownMissing, 2)
  assert.equal(broken.storedOnce, 2)
  // A run in which nothing was sent proves nothing.
  assert.equal(violations(balance([], new Map(), [], 9000)).length, 2)
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
