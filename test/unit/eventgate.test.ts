import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Code, type Details, GateError } from '#src/lib/errors.js'
import { type Context, type Event, EventGate, type Outcome, type Steps } from '#src/lib/eventgate.js'

const schema = { uri: '/s/1.0.0', title: undefined, declares: () => true, validate() {} }
const stream = { name: 's', topic: 's' }

function steps(more: Partial<Steps> = {}): Steps {
  return {
    load: () => undefined,
    schemaFor: () => schema,
    streamFor: () => stream,
    enrich() {},
    route: () => ({ topic: 's', key: null, timestamp: 0, delivery: 'guaranteed' }),
    produce: async () => {},
    ...more,
  }
}

function context(more: Partial<Context> = {}): Context {
  return {
    requestId: 'r',
    receivedAt: Date.now(),
    deadline: Infinity,
    headers: {},
    delivery: 'guaranteed',
    clientIp: () => undefined,
    textOf: () => '{}',
    ...more,
  }
}

/** A gate, and all that its observer was told. */
function observed(more: Partial<Steps>) {
  const told: { outcome: Outcome; index: number }[] = []
  const gate = new EventGate(steps(more), (outcome, _context, index) => told.push({ outcome, index }))
  return { gate, told, count: (index: number) => told.filter(one => one.index === index).length }
}

const numbered = (count: number): Event[] => Array.from({ length: count }, (_, n) => ({ n }))
const codeOf = (outcome: Outcome | undefined) =>
  outcome && ('error' in outcome ? outcome.error.code : outcome.fate)
const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

test('the events of a request share what explanations may cost, and those of another do not', async () => {
  const seen: unknown[] = []
  const gate = new EventGate(
    steps({ schemaFor: () => ({ ...schema, validate: (_event, details) => void seen.push(details) }) }),
  )
  for (let i = 0; i < 2; i++) await gate.process(numbered(3), context())
  const [one, , , other] = seen as Details[]
  assert.deepEqual(seen, [one, one, one, other, other, other])
  assert.notEqual(one, other)
  assert.ok(one && one.left > 0)
})

test('an event that its producer has on disk is spooled; whatever else it answers is stored', async () => {
  const answers: unknown[] = ['spooled', undefined, 'stored', { offset: 1 }]
  const { gate, told } = observed({ produce: async () => answers.shift() })
  const outcomes = await gate.process(numbered(4), context())
  const fates = ['spooled', 'delivered', 'delivered', 'delivered']
  assert.deepEqual(outcomes.map(codeOf), fates)
  assert.deepEqual(
    told.map(({ outcome }) => outcome.fate),
    fates,
  )
})

test('an event goes its way in the order of the steps, and is validated as it will be stored', async () => {
  const seen: string[] = []
  const gate = new EventGate(
    steps({
      load: () => void seen.push('load'),
      schemaFor: () => {
        seen.push('schemaFor')
        return { ...schema, validate: event => void seen.push(`validate ${JSON.stringify(event)}`) }
      },
      streamFor: () => {
        seen.push('streamFor')
        return stream
      },
      enrich: event => {
        seen.push('enrich')
        event.filled = true
      },
      route: () => {
        seen.push('route')
        return { topic: 't', key: 'k', timestamp: 1, delivery: 'guaranteed' }
      },
      produce: async (event, destination) => {
        seen.push(`produce ${JSON.stringify(event)} ${destination.topic}`)
      },
    }),
  )
  const outcomes = await gate.process([{ a: 1 }], context())
  const [{ produceMs, ...outcome } = {}, ...others] = outcomes as Partial<Outcome>[]
  assert.deepEqual([outcome, ...others], [{ fate: 'delivered', schema: outcomes[0]?.schema, stream }])
  assert.ok(Number(produceMs) >= 0)
  const stored = '{"a":1,"filled":true}'
  assert.deepEqual(seen, [
    'load',
    'schemaFor',
    'streamFor',
    'enrich',
    `validate ${stored}`,
    'route',
    `produce ${stored} t`,
  ])
})

test('no events make no outcomes', async () => {
  assert.deepEqual(await new EventGate(steps()).process([], context()), [])
})

test('events reach the producer, and their outcomes the request, in the order of the request', async () => {
  const produced: unknown[] = []
  const gate = new EventGate(
    steps({
      produce: async ({ n }) => {
        produced.push(n)
        // Later ones are acknowledged first.
        await pause(20 - ((n as number) % 20))
        if ((n as number) % 7 === 0) throw new GateError('produce_failed', `${n}`)
      },
    }),
  )
  const outcomes = await gate.process(numbered(200), context())
  assert.deepEqual(
    produced,
    numbered(200).map(({ n }) => n),
  )
  for (const [n, outcome] of outcomes.entries()) {
    assert.equal(codeOf(outcome), n % 7 === 0 ? 'produce_failed' : 'delivered')
    if ('error' in outcome) assert.equal(outcome.error.message, `${n}`)
  }
})

test('what is no object is refused by itself', async () => {
  const { gate, count } = observed({})
  const unreadable = new GateError('event_number_inexact', 'x')
  const outcomes = await gate.process([null, 1, 'a', true, [], undefined, unreadable, {}], context())
  assert.deepEqual(outcomes.map(codeOf), [
    ...Array(6).fill('event_not_an_object'),
    'event_number_inexact',
    'delivered',
  ])
  for (let i = 0; i < 8; i++) assert.equal(count(i), 1)
})

test('a long request lets others in between', async () => {
  const order: string[] = []
  const gate = new EventGate(
    steps({ produce: async ({ n }) => void order.push(n === undefined ? 'short' : 'long') }),
  )
  const long = gate.process(numbered(1000), context())
  await gate.process([{}], context())
  await long
  const at = order.indexOf('short')
  assert.ok(at > 0 && at < 1000, `the short one came after ${at}`)
})

test('it never rejects, whatever a step throws, and the observer is told exactly once of each event', async () => {
  const where = fc.constantFrom(
    'schemaFor',
    'streamFor',
    'enrich',
    'validate',
    'route',
    'produce',
    'reject',
    'none',
  )
  const what = fc.oneof(
    fc
      .constantFrom<Code>(
        'validation_failed',
        'schema_unavailable',
        'produce_unknown',
        'internal_error',
        'event_too_large',
      )
      .map(code => new GateError(code, 'x')),
    fc.constantFrom<unknown>(new TypeError('a defect'), 'text', undefined, null),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ where, what }), { minLength: 1, maxLength: 150 }), async faults => {
      const at = (name: string) => (event: Event) => {
        const fault = faults[event.n as number]
        if (fault?.where === name) throw fault.what
      }
      const { gate, told } = observed({
        schemaFor: event => {
          at('schemaFor')(event)
          return { ...schema, validate: at('validate') }
        },
        streamFor: event => {
          at('streamFor')(event)
          return stream
        },
        enrich: at('enrich'),
        route: event => {
          at('route')(event)
          return { topic: 's', key: null, timestamp: 0, delivery: 'guaranteed' }
        },
        produce: event => {
          at('produce')(event)
          return (async () => at('reject')(event))()
        },
      })
      const outcomes = await gate.process(numbered(faults.length), context())
      assert.equal(outcomes.length, faults.length)
      for (const [n, { where, what }] of faults.entries()) {
        const outcome = outcomes[n] as Outcome
        if (where === 'none') assert.equal(outcome.fate, 'delivered')
        else if (what instanceof GateError) assert.equal('error' in outcome && outcome.error, what)
        // A producer that failed in a way that it does not know may have stored the event.
        else assert.equal(codeOf(outcome), where === 'reject' ? 'produce_unknown' : 'internal_error')
      }
      assert.deepEqual(
        told.map(({ index }) => index).sort((a, b) => a - b),
        faults.map((_, n) => n),
      )
      for (const { outcome, index } of told) assert.equal(outcome, outcomes[index])
    }),
    { numRuns: 50 },
  )
})

test('a load that never ends: surely not stored at the deadline, and never produced', async () => {
  let produced = 0
  const { gate, told } = observed({
    load: () => new Promise<void>(() => {}),
    produce: async () => void produced++,
  })
  const outcomes = await gate.process(numbered(100), context({ deadline: Date.now() + 50 }))
  assert.deepEqual(outcomes.map(codeOf), Array(100).fill('deadline_not_stored'))
  for (const { fate } of outcomes) assert.equal(fate, 'not_stored')
  await pause(50)
  assert.equal(produced, 0)
  assert.deepEqual(
    told.map(({ index }) => index),
    numbered(100).map(({ n }) => n),
  )
})

test('a load that ends after the deadline begins nothing', async () => {
  let produced = 0
  let loaded = () => {}
  const { gate } = observed({
    load: () =>
      new Promise<void>(resolve => {
        loaded = resolve
      }),
    produce: async () => void produced++,
  })
  const outcomes = await gate.process([{}], context({ deadline: Date.now() + 20 }))
  assert.equal(codeOf(outcomes[0]), 'deadline_not_stored')
  loaded()
  await pause(20)
  assert.equal(produced, 0)
})

test('a deadline that has passed already begins nothing that it does not answer for', async () => {
  const { gate, told } = observed({ load: () => pause(5) })
  const outcomes = await gate.process([{}, {}], context({ deadline: Date.now() - 1000 }))
  assert.deepEqual(outcomes.map(codeOf), ['deadline_not_stored', 'deadline_not_stored'])
  assert.equal(told.length, 2)
})

test('an event under way at the deadline is of unknown fate, and the observer hears the truth, once', async () => {
  const ends: ((error?: GateError) => void)[] = []
  const { gate, told } = observed({
    produce: ({ n }) =>
      n === 0
        ? Promise.resolve()
        : new Promise<void>((resolve, reject) => {
            ends.push(error => (error ? reject(error) : resolve()))
          }),
  })
  const outcomes = await gate.process(numbered(3), context({ deadline: Date.now() + 50 }))
  assert.deepEqual(outcomes.map(codeOf), ['delivered', 'deadline_unknown', 'deadline_unknown'])
  assert.deepEqual(
    told.map(({ index }) => index),
    [0],
  )
  ends[0]?.()
  ends[1]?.(new GateError('produce_failed', 'late'))
  await pause(5)
  assert.deepEqual(
    told.map(({ index, outcome }) => [index, codeOf(outcome)]),
    [
      [0, 'delivered'],
      [1, 'delivered'],
      [2, 'produce_failed'],
    ],
  )
  assert.equal(codeOf(outcomes[1]), 'deadline_unknown', 'what was answered is not changed')
})

test('of a long request at its deadline, what was begun is unknown and what was not never will be', async () => {
  let produced = 0
  const { gate, told } = observed({
    load: events => ((events[0] as Event).n === 64 ? new Promise<void>(() => {}) : undefined),
    produce: () => {
      produced++
      return new Promise(() => {})
    },
  })
  const outcomes = await gate.process(numbered(130), context({ deadline: Date.now() + 100 }))
  assert.equal(produced, 64)
  assert.deepEqual(outcomes.map(codeOf), [
    ...Array(64).fill('deadline_unknown'),
    ...Array(66).fill('deadline_not_stored'),
  ])
  assert.deepEqual(
    told.map(({ index }) => index),
    numbered(66).map(({ n }) => (n as number) + 64),
  )
})

test('nobody waits for a hasty event, and its end is told all the same', async () => {
  const { gate, told } = observed({ produce: () => pause(30) })
  await gate.process([{}], context({ delivery: 'hasty' }))
  assert.deepEqual(
    told.map(({ outcome }) => outcome.fate),
    ['delivered'],
  )
})

test('a gate tells what its producer was given only when asked to', async () => {
  const events = [{ a: 1 }, 'no event']
  const quiet = await new EventGate(steps()).process(events, context())
  assert.ok(quiet.every(outcome => !('sent' in outcome)))
  const [sent, refused] = await new EventGate(steps(), undefined, undefined, true).process(events, context())
  assert.equal(sent?.sent?.event, events[0])
  assert.equal(sent?.sent?.destination.delivery, 'guaranteed')
  assert.ok(refused && !('sent' in refused))
})
