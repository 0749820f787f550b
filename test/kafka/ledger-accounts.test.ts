import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareAccounts } from '../reliability/accounts.js'
import type { Answered } from '../reliability/load.js'

let ids = 0
const event = (more: Partial<Answered> = {}): Answered => ({
  ...{ id: `e${ids++}`, stream: 's', delivery: 'guaranteed', sentAt: 0, latency: 1 },
  ...{ status: 201, code: undefined, verdict: 'stored' },
  ...more,
})
const failed = (code: string, more: Partial<Answered> = {}) =>
  event({ status: 503, verdict: 'not_stored', code, ...more })

/** The metrics of one account. */
function account(
  outcomes: Record<string, number>,
  { stream = 's', delivery = 'guaranteed', received = 0, inFlight = 0 } = {},
): string {
  const labels = `stream="${stream}",delivery="${delivery}",kind="event"`
  const lines = Object.entries(outcomes).map(([what, events]) => {
    const [outcome, code = ''] = what.split(' ')
    return `eventgate_stream_events_total{${labels},outcome="${outcome}",code="${code}"} ${events}`
  })
  const all = Object.values(outcomes).reduce((sum, events) => sum + events, 0)
  return [
    ...lines,
    `eventgate_stream_received_total{${labels}} ${received || all + inFlight}`,
    `eventgate_stream_in_flight_events{${labels}} ${inFlight}`,
  ].join('\n')
}

const kept = (events: readonly Answered[]) => new Map(events.map(({ id }) => [id, 1]))
const broken = (metrics: string, answered: Answered[], stored = kept([])) =>
  compareAccounts(metrics, answered, stored).broken

test('accounts that agree with the ledger break nothing', () => {
  const hasty = [
    event({ delivery: 'hasty', verdict: 'accepted' }),
    event({ delivery: 'hasty', verdict: 'accepted' }),
  ]
  const answered = [
    event(),
    event({ verdict: 'spooled' }),
    failed('produce_failed'),
    failed('deadline_unknown', { verdict: 'unknown' }),
    failed('deadline_not_stored'),
    failed('deadline_not_stored'),
    ...hasty,
    // Their requests were refused whole, or never came.
    failed('over_capacity'),
    event({ verdict: 'never_sent', code: 'ECONNREFUSED' }),
  ]
  const metrics = [
    account({
      ...{ delivered: 1, spooled: 1, 'not_stored produce_failed': 1, 'unknown deadline_unknown': 1 },
      'not_stored deadline_not_stored': 1,
    }),
    account({ 'not_stored deadline_not_stored': 1 }, { stream: 'unknown' }),
    account({ delivered: 1, 'unknown deadline_unknown': 1 }, { delivery: 'hasty' }),
  ].join('\n')
  assert.deepEqual(compareAccounts(metrics, answered, kept(hasty)), { events: 8, streams: 1, broken: [] })
  assert.deepEqual(broken(metrics, answered, kept(hasty.slice(1))), [])
})

test('each difference is named', () => {
  assert.deepEqual(broken(account({ delivered: 1 }), [event(), event()]), [
    's, received: 1 in the account, 2 in the ledger',
    's, delivered or spooled: 1 in the account, 2 in the ledger',
  ])
  assert.deepEqual(
    broken(account({ delivered: 1, 'not_stored produce_failed': 1 }), [event(), failed('producer_full')]),
    [
      's, producer_full: 0 in the account, 1 in the ledger',
      's, produce_failed: 1 in the account, 0 in the ledger',
    ],
  )
  assert.deepEqual(
    broken(account({ delivered: 1 }, { received: 3, inFlight: 1 }), [event(), event(), event()]),
    [
      's guaranteed event: 3 came, 1 are known, 1 in flight',
      's, delivered or spooled: 1 in the account, 3 in the ledger',
    ],
  )
  const hasty = event({ delivery: 'hasty', verdict: 'accepted' })
  assert.deepEqual(broken(account({ delivered: 1 }, { delivery: 'hasty' }), [hasty]), [
    's, hasty: 1 delivered in the account, 0 in Kafka',
  ])
  assert.deepEqual(broken(account({}), [failed('deadline_not_stored')]), [
    'events that were not begun in time: 0 in the account, 1 in the ledger',
  ])
})
