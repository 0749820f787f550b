import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Code, GateError } from '#src/lib/errors.js'
import { type Context, EventGate, type Steps } from '#src/lib/eventgate.js'
import { answerTo } from '#src/lib/http/answer.js'
import { readBody } from '#src/lib/http/body.js'
import { MemoryProducer } from '#src/lib/producers/memory.js'
import {
  assertAccepted,
  assertAlive,
  assertFailure,
  type Failure,
  ONE_ACCEPTED,
  postBytes,
  repository,
} from '../support/http.js'
import { type Reply, startService, testEvent } from '../support/service.js'

// contract 1.2: the table of statuses, the bodies, and that a client's mistake is never 5xx.

const invalid = testEvent({ test: 42 })
const unavailable = { $schema: '/elsewhere/1.0.0', meta: { stream: 'eventgate.test.event' } }

test('the table of statuses', async t => {
  // Nothing listens on port 1, so that what is not among the shipped schemas cannot be known.
  const service = await startService(t, { schema_base_uris: ['http://127.0.0.1:1/', 'schemas'] })

  const rows: [string, unknown, Omit<Failure, 'invalid' | 'error'> & { invalid?: Code[]; error?: Code[] }][] =
    [
      [
        'some invalid',
        [testEvent(), invalid],
        {
          status: 207,
          reason: '1 out of 2 events were accepted, but 1 failed (1 invalid and 0 errored).',
          invalid: ['validation_failed'],
        },
      ],
      [
        'some errored',
        [unavailable, testEvent()],
        {
          status: 207,
          reason: '1 out of 2 events were accepted, but 1 failed (0 invalid and 1 errored).',
          error: ['schema_unavailable'],
        },
      ],
      [
        'some of each',
        [unavailable, testEvent(), invalid],
        {
          status: 207,
          reason: '1 out of 3 events were accepted, but 2 failed (1 invalid and 1 errored).',
          invalid: ['validation_failed'],
          error: ['schema_unavailable'],
        },
      ],
      [
        'one invalid',
        invalid,
        {
          status: 400,
          reason: '1 out of 1 events were invalid and not accepted.',
          invalid: ['validation_failed'],
        },
      ],
      [
        'every one invalid',
        [invalid, 'text'],
        {
          status: 400,
          reason: '2 out of 2 events were invalid and not accepted.',
          invalid: ['validation_failed', 'event_not_an_object'],
        },
      ],
      [
        'every one errored, and may be sent again',
        [unavailable, unavailable],
        {
          status: 503,
          reason: '2 out of 2 events had failures and were not accepted. (0 invalid and 2 errored).',
          error: ['schema_unavailable', 'schema_unavailable'],
        },
      ],
      [
        'none accepted, one errored',
        [invalid, unavailable],
        {
          status: 503,
          reason: '2 out of 2 events had failures and were not accepted. (1 invalid and 1 errored).',
          invalid: ['validation_failed'],
          error: ['schema_unavailable'],
        },
      ],
    ]
  for (const [name, body, expected] of rows) {
    await t.test(`${name}: ${expected.status}`, async () => {
      const before = service.produced().length
      assertFailure(await service.post(body), expected)
      const accepted = expected.status === 207 ? 1 : 0
      assert.equal(service.produced().length, before + accepted)
      await assertAlive(service)
    })
  }
  await t.test('all produced: 201', async () => {
    assertAccepted(
      await service.post([testEvent(), testEvent()]),
      201,
      'All 2 out of 2 events were accepted.',
    )
  })
  await t.test('received hastily: 202', async () => {
    const reply = await service.post([testEvent(), testEvent()], { query: '?hasty=true' })
    assertAccepted(reply, 202, '2 events hastily received.')
  })

  await t.test('an entry holds the event byte for byte as it was received', async () => {
    const texts = [
      '{ "test":42.00, "meta":{"stream":"s\\u0065"},\n"$schema": "/test/event/1.0.0" }',
      '{"$schema":"/test/event/1.0.0","meta":{"stream":"s"},"2":1,"1":2,"test":1e2,"test":1E+2}',
      '{"x":"\\ud800","y":"\\u2028/\\/","__proto__":{"a":1},"n":9007199254740993}',
      '{"$schema":"/elsewhere/1.0.0", "meta":{"stream":"☃"}}',
    ]
    const reply = await postBytes(
      service,
      `[ ${texts[0]} ,${JSON.stringify(testEvent())},\t${texts.slice(1).join(' , ')}]`,
    )
    const entries = assertFailure(reply, { status: 207 })
    assert.deepEqual(
      entries.map(({ index }) => index),
      [0, 2, 3, 4],
    )
    for (const text of texts)
      assert.ok(reply.body.includes(`"event":${text},`), `${text} is not in ${reply.body}`)
  })
  await t.test('at most 16 errors are listed, with their true number', async () => {
    const test_map = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`key${i}`, i]))
    const [entry] = assertFailure(await service.post(testEvent({ test_map })), { status: 400 })
    assert.equal(entry.context.errors.length, 16)
    assert.equal(entry.context.errorsCount, 20)
    assert.match(
      entry.context.errorsText,
      /^'\.test_map\['key0'\]' should be string, '\.test_map\['key1'\]' should be string/,
    )
    assert.deepEqual(entry.context.errors[0].dataPath, ".test_map['key0']")
  })
  await t.test('an error says why, and that it can be tried again', async () => {
    const [entry] = assertFailure(await service.post(unavailable), {
      status: 503,
      error: ['schema_unavailable'],
    })
    assert.equal(entry.retriable, true)
    assert.equal(entry.index, 0)
    assert.deepEqual(entry.event, unavailable)
    assert.match(entry.context.message, /elsewhere.*could not be fetched/)
  })
})

test('what a client gets wrong is its own mistake, and the service goes on', async t => {
  const service = await startService(t, {
    schema_base_uris: [
      'schemas',
      repository(t, {
        '/any/1.0.0': { properties: { $schema: { type: 'string' }, meta: { type: 'object' } } },
      }),
    ],
  })
  const any = (more: string) => `{"$schema":"/any/1.0.0","meta":{"stream":"s"},${more}}`
  const good = JSON.stringify(testEvent())
  const stream = (name: unknown) => JSON.stringify(testEvent({ meta: { stream: name } }))
  const schema = (uri: unknown) => JSON.stringify(testEvent({ $schema: uri }))

  const wholes: Record<string, [string, Code, number?]> = {
    'an empty body': ['', 'body_empty'],
    'a body of white space': [' \n\t ', 'body_empty'],
    'half an object': ['{"a":', 'body_malformed'],
    'an object in single quotes': ["{'a':1}", 'body_malformed'],
    'two objects': ['{}{}', 'body_malformed'],
    'objects by lines': ['{}\n{}', 'body_malformed'],
    'a trailing comma': ['[{},]', 'body_malformed'],
    NaN: ['[NaN]', 'body_malformed'],
    'a control character in a string': ['{"a":"\u0001"}', 'body_malformed'],
    '20,000 nested [': ['['.repeat(20_000), 'body_malformed'],
    '20,000 nested {"a":': ['{"a":'.repeat(20_000), 'body_malformed'],
    null: ['null', 'body_not_events'],
    true: ['true', 'body_not_events'],
    'a number': ['12', 'body_not_events'],
    'an inexact number': ['1e400', 'body_not_events'],
    'a string': ['"an event"', 'body_not_events'],
    'an empty array': ['[]', 'body_not_events'],
    'more events than ever fit': [`[${'1,'.repeat(60_000)}1]`, 'body_too_large', 413],
    'more than ever fits': [`{"a":"${'a'.repeat(11 * 1024 * 1024)}"}`, 'body_too_large', 413],
  }
  for (const [name, [body, code, status = 400]] of Object.entries(wholes)) {
    await t.test(`${name}: ${status}`, async () => {
      const [entry] = assertFailure(await postBytes(service, body), { status, invalid: [code] })
      assert.ok(!('event' in entry))
      await assertAlive(service)
    })
  }

  const events: Record<string, [string, Code]> = {
    'no $schema': ['{"meta":{"stream":"s"}}', 'schema_uri_missing'],
    'an empty object': ['{}', 'schema_uri_missing'],
    'an empty $schema': [schema(''), 'schema_uri_missing'],
    'a number as $schema': [schema(1), 'schema_uri_missing'],
    'null as $schema': [schema(null), 'schema_uri_missing'],
    'an object as $schema': [schema({ a: 1 }), 'schema_uri_missing'],
    'an array as $schema': [schema(['/test/event/1.0.0']), 'schema_uri_missing'],
    'an unknown schema': [schema('/no/such/1.0.0'), 'schema_not_found'],
    'an unknown version': [schema('/test/event/9.9.9'), 'schema_not_found'],
    '__proto__ as $schema': [schema('__proto__'), 'schema_not_found'],
    'constructor as $schema': [schema('constructor'), 'schema_not_found'],
    '/__proto__ as $schema': [schema('/__proto__'), 'schema_not_found'],
    'a path out of the repository': [schema('/../../package.json'), 'schema_uri_refused'],
    'an absolute schema': [schema('http://127.0.0.1:1/test'), 'schema_uri_refused'],
    'a meta-schema': [schema('http://json-schema.org/draft-07/schema#'), 'schema_uri_refused'],
    'a lone surrogate as $schema': [
      '{"$schema":"/\\ud800/1.0.0","meta":{"stream":"s"}}',
      'schema_uri_refused',
    ],
    'a stream with a slash': [stream('a/b'), 'stream_name_illegal'],
    'a stream of 250 characters': [stream('a'.repeat(250)), 'stream_name_illegal'],
    'a stream called ..': [stream('..'), 'stream_name_illegal'],
    'a stream beyond ASCII': [stream('strøm'), 'stream_name_illegal'],
    'a stream with a line end': [stream('a\n'), 'stream_name_illegal'],
    'an empty stream': [stream(''), 'stream_missing'],
    'a number as stream': [stream(7), 'stream_missing'],
    'an object as stream': [stream({}), 'stream_missing'],
    'no stream': ['{"$schema":"/test/event/1.0.0","meta":{}}', 'stream_missing'],
    'no meta': ['{"$schema":"/test/event/1.0.0"}', 'stream_missing'],
    'text as meta': ['{"$schema":"/test/event/1.0.0","meta":"text"}', 'stream_missing'],
    'an event that its schema refuses': [JSON.stringify(invalid), 'validation_failed'],
    '1e400': [any('"n":1e400'), 'event_number_inexact'],
    '-1e400 deep inside': [any('"n":[{"m":[-1E+400]}]'), 'event_number_inexact'],
    '2^53 + 1': [any('"n":9007199254740993'), 'event_number_inexact'],
    '2^53 + 1 in another way': [any('"n":9007199254740993.0'), 'event_number_inexact'],
    '-(2^53 + 1)': [any('"n":-9007199254740993'), 'event_number_inexact'],
    'a number of 30 digits': [any('"n":123456789012345678901234567890'), 'event_number_inexact'],
  }
  for (const [name, [event, code]] of Object.entries(events)) {
    await t.test(`${name} is refused by itself`, async () => {
      const alone = assertFailure(await postBytes(service, event), {
        status: 400,
        reason: '1 out of 1 events were invalid and not accepted.',
        invalid: [code],
      })
      assert.equal(alone[0].index, 0)
      const before = service.produced().length
      const reply = await postBytes(service, `[${good},${event},${good}]`)
      const [entry] = assertFailure(reply, {
        status: 207,
        reason: '2 out of 3 events were accepted, but 1 failed (1 invalid and 0 errored).',
        invalid: [code],
      })
      assert.equal(entry.index, 1)
      assert.ok(reply.body.includes(`"event":${event},`))
      assert.equal(service.produced().length, before + 2)
    })
  }

  for (const value of ['null', 'true', '7', '"text"', '[]', '[{}]', '1e400', '[1e400]', '9007199254740993']) {
    await t.test(`${value} among events is refused by itself, without being shown as one`, async () => {
      const reply = await postBytes(service, `[${good},${value}]`)
      const [entry] = assertFailure(reply, { status: 207 })
      assert.equal(entry.index, 1)
      assert.ok(!('event' in entry))
      await assertAlive(service)
    })
  }
  const deep = {
    arrays: any(`"x":${'['.repeat(20_000)}${']'.repeat(20_000)}`),
    objects: any(`"x":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`),
    'arrays, and an inexact number before them': any(
      `"n":1e400,"x":${'['.repeat(20_000)}${']'.repeat(20_000)}`,
    ),
  }
  for (const [name, event] of Object.entries(deep)) {
    await t.test(`20,000 nested ${name} are refused, and not sent back`, async () => {
      const alone = assertFailure(await postBytes(service, event), { status: 400 })
      assert.ok(!('event' in alone[0]), "clients' parsers have a depth")
      assertFailure(await postBytes(service, `[${event},${good}]`), { status: 207 })
      await assertAlive(service)
    })
  }
  await t.test('an event of the greatest depth can be sent back for PHP to read', async () => {
    const event = `{"x":${'['.repeat(499)}${']'.repeat(499)}}`
    const reply = await postBytes(service, event)
    assertFailure(reply, { status: 400, invalid: ['schema_uri_missing'] })
    assert.ok(depthOf(reply) <= 512, `${depthOf(reply)} levels`)
  })
  await t.test('nested arrays as a body are many events that are not objects', async () => {
    assertFailure(await postBytes(service, '['.repeat(20_000) + ']'.repeat(20_000)), { status: 400 })
    await assertAlive(service)
  })
  for (const value of ['{}', '1', 'null', '{"$schema":"/no/such/1.0.0"}', JSON.stringify(invalid)]) {
    await t.test(`5,000 times ${value} are refused one by one`, async () => {
      const reply = await postBytes(service, `[${Array(5000).fill(value).join(',')}]`)
      const entries = assertFailure(reply, {
        status: 400,
        reason: '5000 out of 5000 events were invalid and not accepted.',
      })
      assert.equal(entries.length, 5000)
      await assertAlive(service)
    })
  }

  const kept: Record<string, string> = {
    '__proto__ as a key': '"__proto__":{"polluted":1},"a":{"__proto__":null}',
    'constructor as a key':
      '"constructor":{"prototype":{"x":1}},"toString":1,"hasOwnProperty":2,"toJSON":"x"',
    'a lone surrogate': '"a":"\\ud800 and \\udc00","\\ud83d":1',
    'an integer of 17 digits that a double holds': '"a":20210223205005000',
    'the largest safe integers': '"a":[9007199254740991,-9007199254740991]',
    decimals: '"a":[0.1,1.5e3,5e-324,1.7976931348623157e308,123456789.12345679]',
    'empty keys and values': '"":"","a":[],"b":{},"c":[null]',
    'digits in text': '"a":"9007199254740993 1e400,"',
  }
  for (const [name, fields] of Object.entries(kept)) {
    await t.test(`${name} is data`, async () => {
      assertAccepted(await postBytes(service, any(fields)), 201, ONE_ACCEPTED)
      const { $schema: _schema, meta: _meta, ...sent } = JSON.parse(any(fields))
      const {
        $schema: _schema2,
        meta: _meta2,
        ...stored
      } = service.produced().at(-1) as Record<string, unknown>
      assert.equal(JSON.stringify(stored), JSON.stringify(sent))
      await assertAlive(service)
    })
  }
  assert.equal(await service.stop(), 0)
})

/** Levels of nesting of a body. */
function depthOf({ body }: Reply): number {
  let depth = 0
  let deepest = 0
  for (const char of body) {
    if (char === '{' || char === '[') deepest = Math.max(deepest, ++depth)
    else if (char === '}' || char === ']') depth--
  }
  return deepest
}

// The rows that a file cannot make happen: the library with a producer that fails on demand.

test('the rows that need a broker to fail', async t => {
  const fail = (code: Code) => new GateError(code, `made to fail with ${code}`)
  const answer = async (codes: (Code | undefined)[]): Promise<Reply> => {
    const producer = new MemoryProducer()
    producer.failOn = index => {
      const code = codes[index]
      return code && fail(code)
    }
    const { events, textOf } = readBody(Buffer.from(JSON.stringify(codes.map((_, n) => ({ n })))))
    const { status, reason, body, retryAfter } = answerTo(
      await new EventGate(stepsTo(producer)).process(events, contextOf(textOf)),
      textOf,
    )
    const headers = {
      'content-type': 'application/json; charset=utf-8',
      ...(retryAfter ? { 'retry-after': '1' } : {}),
    }
    return { status, reason, headers, body, json: () => JSON.parse(body) }
  }
  const phrase = (n: number) =>
    `${n} out of ${n} events had failures and were not accepted. (0 invalid and ${n} errored).`
  const rows: [string, (Code | undefined)[], Failure][] = [
    ['surely not stored', ['produce_failed'], { status: 503, reason: phrase(1), error: ['produce_failed'] }],
    ['no room', ['producer_full', 'produce_failed'], { status: 503, reason: phrase(2) }],
    ['of unknown fate', ['produce_unknown'], { status: 504, reason: phrase(1), error: ['produce_unknown'] }],
    [
      'one of unknown fate among retriable ones',
      ['produce_failed', 'deadline_unknown'],
      { status: 504, reason: phrase(2) },
    ],
    [
      'one of unknown fate beside a defect',
      ['internal_error', 'produce_unknown'],
      { status: 504, reason: phrase(2) },
    ],
    ['a defect', ['internal_error'], { status: 500, reason: phrase(1), error: ['internal_error'] }],
    [
      'a defect among retriable ones',
      ['produce_failed', 'internal_error'],
      { status: 500, reason: phrase(2) },
    ],
    [
      'refused by the producer as too large',
      ['event_too_large'],
      {
        status: 400,
        reason: '1 out of 1 events were invalid and not accepted.',
        invalid: ['event_too_large'],
      },
    ],
    [
      'too large beside a retriable one',
      ['event_too_large', 'produce_failed'],
      {
        status: 503,
        reason: '2 out of 2 events had failures and were not accepted. (1 invalid and 1 errored).',
      },
    ],
    [
      'one stored, one of unknown fate',
      [undefined, 'produce_unknown'],
      {
        status: 207,
        reason: '1 out of 2 events were accepted, but 1 failed (0 invalid and 1 errored).',
        error: ['produce_unknown'],
      },
    ],
  ]
  for (const [name, codes, expected] of rows) {
    await t.test(`${name}: ${expected.status}`, async () => {
      const entries = assertFailure(await answer(codes), expected)
      for (const { index, code, event, retriable, context } of entries) {
        assert.equal(code, codes[index])
        assert.deepEqual(event, { n: index })
        assert.equal(retriable, fail(code as Code).status === 503)
        assert.equal(context.message, `made to fail with ${code}`)
      }
    })
  }
})

function stepsTo(producer: MemoryProducer): Steps {
  const schema = { uri: '/s/1.0.0', title: undefined, declares: () => true, validate() {} }
  return {
    load: () => undefined,
    schemaFor: () => schema,
    streamFor: () => ({ name: 's', topic: 's' }),
    enrich() {},
    route: (_event, _schema, { topic }) => ({ topic, key: null, timestamp: 0, delivery: 'guaranteed' }),
    produce: (event, destination) => producer.produce(event, destination),
  }
}

function contextOf(textOf: (index: number) => string): Context {
  return {
    requestId: 'r',
    receivedAt: Date.now(),
    deadline: Infinity,
    headers: {},
    delivery: 'guaranteed',
    clientIp: () => undefined,
    textOf,
  }
}
