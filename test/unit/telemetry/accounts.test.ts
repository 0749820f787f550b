import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GateError } from '#src/lib/errors.js'
import { type Context, type Event, EventGate, type Outcome, type Schema } from '#src/lib/eventgate.js'
import { yieldToEventLoop } from '#src/lib/runtime/event-loop.js'
import { ByPattern } from '#src/lib/streams/by-pattern.js'
import { contextFor, imbalances, keep, type Sheet, sheetsOf, tableOf } from '../../support/accounts.js'

const STREAMS = { known: {}, '/^some[.]/': {}, elsewhere: {} }
const delivered: Outcome = { fate: 'delivered' }

/** What a test decides of an event: where it goes, which step refuses it, and what its producer says. */
interface Fixture {
  stream: string | undefined
  refusedBy: 'schema' | 'stream' | 'validation' | undefined
  says: 'stored' | 'produce_failed' | 'produce_unknown' | 'record_refused'
}

type Doing =
  | { post: Fixture[]; delivery: Context['delivery']; kind: Context['kind'] }
  | { acknowledge: number }
  | { expire: true }

const fixture = fc.record<Fixture>({
  stream: fc.constantFrom('known', 'some.thing', 'some.other', 'nobody', undefined),
  refusedBy: fc.option(fc.constantFrom('schema', 'stream', 'validation'), { nil: undefined }),
  says: fc.constantFrom('stored', 'produce_failed', 'produce_unknown', 'record_refused'),
})
const doing = fc.oneof<fc.Arbitrary<Doing>[]>(
  fc.record({
    post: fc.array(fixture, { minLength: 1, maxLength: 5 }),
    delivery: fc.constantFrom<Context['delivery'][]>('guaranteed', 'hasty'),
    kind: fc.constantFrom<Context['kind'][]>(undefined, 'test', 'error'),
  }),
  fc.record({ acknowledge: fc.nat(20) }),
  fc.record({ expire: fc.constant<true>(true) }),
)

const labelOf = (stream: string | undefined) =>
  stream === 'known' ? 'known' : stream?.startsWith('some.') ? '/^some[.]/' : 'unknown'

test('for each stream the sums agree at every moment, whatever comes late, and with what was answered', async () => {
  const table = tableOf(STREAMS)
  await fc.assert(
    fc.asyncProperty(fc.array(doing, { maxLength: 30 }), async doings => {
      const { accounts, samples, configure } = keep()
      configure(STREAMS)
      const open: (() => void)[] = []
      const fixtures = new WeakMap<Event, Fixture>()
      const of = (event: Event) => fixtures.get(event) as Fixture
      const gate = new EventGate(
        {
          load: () => undefined,
          schemaFor(event) {
            if (of(event).refusedBy === 'schema') throw new GateError('schema_not_found', 'no')
            const validate = () => {
              if (of(event).refusedBy === 'validation') throw new GateError('validation_failed', 'no')
            }
            return { uri: '/s/1.0.0', title: undefined, declares: () => true, validate } satisfies Schema
          },
          streamFor(event) {
            const stream = table.find(of(event).stream ?? '')
            if (!stream || of(event).refusedBy === 'stream')
              throw new GateError('stream_not_configured', 'no')
            return stream
          },
          enrich() {},
          route: () => ({ topic: 't', key: null, timestamp: 0, delivery: 'guaranteed' }),
          produce: event =>
            new Promise<void>((resolve, reject) => {
              const { says } = of(event)
              open.push(() => (says === 'stored' ? resolve() : reject(new GateError(says, 'no'))))
            }),
        },
        undefined,
        undefined,
        false,
        accounts,
      )
      const answered = new Map<string, Sheet>()
      const note = (label: string, { delivery, kind }: Context, outcome: Outcome) => {
        const what = outcome.fate + ('error' in outcome ? ` ${outcome.error.code}` : '')
        // An event that was never begun was never read.
        const key = `${what === 'not_stored deadline_not_stored' ? 'unknown' : label} ${delivery} ${kind ?? 'event'}`
        const sheet = answered.get(key) ?? { received: 0, inFlight: 0, outcomes: {} }
        answered.set(key, sheet)
        sheet.received++
        sheet.outcomes[what] = (sheet.outcomes[what] ?? 0) + 1
      }
      const requests: Promise<void>[] = []
      const act = (one: Doing) => {
        if ('expire' in one) gate.expire()
        else if ('acknowledge' in one) open.splice(one.acknowledge % (open.length || 1), 1)[0]?.()
        else {
          const events = one.post.map(fixture => {
            const event: Event = { meta: { stream: fixture.stream } }
            fixtures.set(event, fixture)
            return event
          })
          const deadline = one.delivery === 'hasty' ? Infinity : Date.now() + 60_000
          const context = contextFor({ delivery: one.delivery, kind: one.kind, deadline })
          const outcomes = gate.process(events, context)
          requests.push(
            outcomes.then(all => {
              for (const [i, outcome] of all.entries()) note(labelOf(one.post[i]?.stream), context, outcome)
            }),
          )
        }
      }
      const scrape = async () => {
        const names = ['received_total', 'events_total', 'in_flight_events']
        const all = await Promise.all(names.map(name => samples(`eventgate_stream_${name}`)))
        return sheetsOf(all.flat())
      }
      for (const one of doings) {
        act(one)
        await Promise.resolve()
        assert.deepEqual(imbalances(await scrape()), [])
      }
      // Shutdown: what is undecided is answered so, and then the producers say the rest.
      gate.expire()
      let isOver = false
      void Promise.all(requests).then(() => {
        isOver = true
      })
      while (!isOver || open.length > 0) {
        open.pop()?.()
        await yieldToEventLoop()
      }
      const sheets = await scrape()
      assert.deepEqual(imbalances(sheets), [])
      assert.deepEqual(sorted(sheets), sorted(answered))
    }),
    { numRuns: 150 },
  )
})

const sorted = (sheets: ReadonlyMap<string, Sheet>) => [...sheets].sort(([a], [b]) => (a < b ? -1 : 1))

test('a stream that nobody configured stays unknown until one of its events is stored, and no event moves', async () => {
  const { accounts, labels, samples } = keep()
  const stream = { name: 'made.up', topic: 'made.up' }
  const first = accounts.open({}, stream, contextFor())
  labels.ofStored(stream)
  const second = accounts.open({}, stream, contextFor())
  for (const account of [first, second]) account.settle(delivered, contextFor())
  const received = await samples('eventgate_stream_received_total')
  assert.deepEqual(
    received.map(({ labels, value }) => [labels.stream, value]),
    [
      ['unknown', 1],
      ['made.up', 1],
    ],
  )
})

test('an event that was refused before it had a stream is in the account of the stream that it names', async () => {
  const { accounts, configure, samples } = keep()
  configure({ known: {} })
  const refuse = (received: unknown, context = contextFor()) =>
    accounts.openRefused(received, undefined, context)
  refuse({ meta: { stream: 'known' } })
  refuse({}, contextFor({ stream: 'known' }))
  for (const unnamed of [{ meta: { stream: 'made.up' } }, { meta: { stream: 7 } }, 'text', undefined])
    refuse(unnamed)
  const received = await samples('eventgate_stream_received_total')
  assert.deepEqual(
    received.map(({ labels, value }) => [labels.stream, value]),
    [
      ['known', 2],
      ['unknown', 4],
    ],
  )
})

const watchedBy = async ({ samples }: ReturnType<typeof keep>) =>
  Object.fromEntries(
    (await samples('eventgate_stream_quiet_after_seconds')).map(({ labels, value }) => [
      labels.stream,
      value,
    ]),
  )

test('streams are watched by their own setting, or by pattern if they are for this service', async () => {
  const own = (quiet_after: unknown) => ({ producers: { eventgate: { quiet_after } } })
  const streams = {
    'a.plain': { destination_event_service: 'me' },
    'a.listed': { destination_event_service: ['other', 'me'] },
    'a.nobodys': {},
    'a.own': own('2h'),
    'a.never': { ...own(false), destination_event_service: 'me' },
    'a.wrong': { ...own('soon'), destination_event_service: 'me' },
    errors: { destination_event_service: 'me' },
    '/^by[.]/': { destination_event_service: 'me' },
  }
  const quietAfter = new ByPattern<number | false>([
    ['a.listed', 60],
    ['/./', 900],
  ])
  const kept = keep({ quietAfter, destination: 'me', errorStream: 'errors' })
  kept.configure(streams)
  const expected = { 'a.plain': 900, 'a.listed': 60, 'a.own': 7200, 'a.wrong': 900, '/^by[.]/': 900 }
  assert.deepEqual(await watchedBy(kept), expected)

  const standby = keep({ quietAfter: false })
  standby.configure(streams)
  assert.deepEqual(await watchedBy(standby), {})
})

test('a stream that never had an event is told of, and keeps when it was first watched', async () => {
  const kept = keep({ quietAfter: new ByPattern<number | false>([['/./', 60]]) })
  const before = Date.now() / 1000
  kept.configure({ old: {}, gone: {} })
  const first = await kept.samples('eventgate_stream_watched_since_timestamp_seconds')
  const stored = async () =>
    Object.fromEntries(
      (await kept.samples('eventgate_stream_last_stored_timestamp_seconds')).map(({ labels, value }) => [
        labels.stream,
        value,
      ]),
    )
  assert.deepEqual(await stored(), { old: 0, gone: 0 })
  assert.ok(Number(first[0]?.value) >= before)
  kept.configure({ old: {}, later: {} })
  const next = await kept.samples('eventgate_stream_watched_since_timestamp_seconds')
  assert.deepEqual(
    next.map(({ labels }) => labels.stream),
    ['old', 'later'],
  )
  assert.equal(next[0]?.value, first[0]?.value)
  const account = kept.accounts.open({}, { name: 'old', topic: 't', configuredAs: 'old' }, contextFor())
  account.settle({ fate: 'not_stored', error: new GateError('produce_failed', 'no') }, contextFor())
  assert.equal((await stored()).old, 0)
  account.settle(delivered, contextFor())
  assert.ok(Number((await stored()).old) >= before)
})

test('without a stream configuration the streams that the option names are watched', async () => {
  const quietAfter = new ByPattern<number | false>([
    ['named', 60],
    ['never', false],
    ['/^seen/', 90],
  ])
  const kept = keep({ quietAfter })
  assert.deepEqual(await watchedBy(kept), { named: 60 })
  const seen = { name: 'seen.1', topic: 't' }
  kept.labels.ofStored(seen)
  kept.accounts.open({}, seen, contextFor())
  assert.deepEqual(await watchedBy(kept), { named: 60, 'seen.1': 90 })
})

test('classes come from the settings, or by pattern, and are bounded', async () => {
  const classes = new ByPattern<string>([['/^job[.]/', 'jobs']])
  const { accounts, configure, samples } = keep({ classes })
  const own = Object.fromEntries(
    Array.from({ length: 30 }, (_, n) => [`own.${n}`, { producers: { eventgate: { class: `c${n}` } } }]),
  )
  const names = ['plain', 'job.a', ...Object.keys(own)]
  configure({ plain: {}, 'job.a': {}, ...own })
  for (const name of names) accounts.open({}, { name, topic: 't', configuredAs: name }, contextFor())
  const received = await samples('eventgate_stream_received_total')
  const byStream = new Map(received.map(({ labels }) => [labels.stream, labels.stream_class]))
  assert.deepEqual(
    ['plain', 'job.a', 'own.0', 'own.17', 'own.18'].map(name => byStream.get(name)),
    ['default', 'jobs', 'c0', 'c17', 'other'],
  )
})

test('skew and time to storage are told by class, and for a stream that asks for it', async () => {
  const { accounts, configure, samples } = keep()
  configure({ plain: {}, own: { producers: { eventgate: { histograms: true } } } })
  const receivedAt = Date.parse('2026-11-28T10:00:00Z')
  const pass = (name: string, dt: unknown, more: Partial<Context> = {}) => {
    const context = contextFor({ receivedAt, ...more })
    accounts.open({ dt }, { name, topic: 't', configuredAs: name }, context).settle(delivered, context)
  }
  pass('plain', '2026-11-28T10:02:00Z')
  pass('plain', '2026-11-28T09:30:00Z', { delivery: 'hasty' })
  pass('plain', 'yesterday')
  pass('plain', undefined)
  pass('plain', '2026-11-28T09:59:59Z', { kind: 'error' })
  pass('own', '2026-11-28T09:59:59Z')
  const counts = async (name: string) =>
    (await samples(name)).map(({ labels: { stream_class, ...labels }, value }) => [
      ...Object.values(labels),
      value,
    ])
  assert.deepEqual(await counts('eventgate_stream_event_skew_seconds_count'), [[2], ['own', 1]])
  const buckets = await samples('eventgate_stream_event_skew_seconds_bucket')
  assert.deepEqual(
    buckets.filter(({ labels }) => labels.stream === undefined).map(({ value }) => value),
    [1, 1, 1, 2, 2, 2],
  )
  assert.deepEqual(await counts('eventgate_stream_store_duration_seconds_count'), [
    ['guaranteed', 4],
    ['hasty', 1],
    ['own', 'guaranteed', 1],
    ['own', 'hasty', 0],
  ])
})

test('what waits in the spool, and what leaves it, has metrics of its own', async () => {
  const { accounts, samples } = keep()
  assert.deepEqual(await samples('eventgate_stream_drained_total'), [])
  accounts.spool = () => new Map([['known', 2]])
  accounts.drained('known', 4, 'delivered')
  accounts.drained('refused', 1, 'not_stored')
  const values = async (name: string) =>
    (await samples(name))
      .filter(({ value }) => value > 0)
      .map(({ labels, value }) => [...Object.values(labels), value])
  assert.deepEqual(await values('eventgate_stream_spool_events'), [['known', 2]])
  assert.deepEqual(await values('eventgate_stream_drained_total'), [
    ['known', 'delivered', 4],
    ['refused', 'not_stored', 1],
  ])
  const stored = await values('eventgate_stream_last_stored_timestamp_seconds')
  assert.deepEqual(
    stored.map(([stream]) => stream),
    ['known'],
  )
})

test('the totals are those of all streams, and error events are apart', () => {
  const { accounts } = keep()
  const invalid: Outcome = { fate: 'invalid', error: new GateError('validation_failed', 'no') }
  const pass = (outcome: Outcome | undefined, more: Partial<Context>) => {
    const context = contextFor(more)
    const account = accounts.openRefused(undefined, undefined, context)
    if (outcome) account.settle(outcome, context)
  }
  pass(delivered, {})
  pass(invalid, { kind: 'test' })
  pass(undefined, { delivery: 'hasty' })
  pass(delivered, { delivery: 'hasty', kind: 'error' })
  assert.deepEqual(accounts.totals(), {
    guaranteed: { received: 2, in_flight: 0, delivered: 1, invalid: 1 },
    hasty: { received: 1, in_flight: 1, delivered: 0, invalid: 0 },
    error_events: { received: 1, in_flight: 0, delivered: 1, invalid: 0 },
  })
})
