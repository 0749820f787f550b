import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { test } from 'node:test'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import {
  assertAccepted,
  assertAlive,
  assertFailure,
  connect,
  head,
  ONE_ACCEPTED,
  parseAnswer,
  postBytes,
  repository,
} from '../support/http.js'
import { type Service, send, startService, testEvent } from '../support/service.js'

// contract 1.1, claim by claim, against one service.

const MAX_BODY = 10_000

test('a request', async t => {
  const service = await startService(t, { max_body_size: MAX_BODY })
  const good = JSON.stringify(testEvent())

  /** Asserts that a body was stored, and is in the file. */
  const stored = async (
    body: string | Buffer,
    options: { path?: string; headers?: Record<string, string> },
  ) => {
    const before = service.produced().length
    assertAccepted(await postBytes(service, body, options), 201, ONE_ACCEPTED)
    assert.equal(service.produced().length, before + 1)
  }
  const refused = async (
    body: string | Buffer,
    options: { path?: string; headers?: Record<string, string> },
    expected: Parameters<typeof assertFailure>[1],
  ) => {
    const before = service.produced().length
    const reply = await postBytes(service, body, options)
    assertFailure(reply, expected)
    assert.equal(service.produced().length, before)
    await assertAlive(service)
  }

  for (const path of ['/v1/events', '/v2/events', '/v1/events?', '/v2/events?x=y']) {
    await t.test(`events are taken at ${path}`, () => stored(good, { path }))
  }
  await t.test('an array may mix streams', async () => {
    const streams = ['eventgate.test.one', 'eventgate.test.two']
    const reply = await service.post(streams.map(stream => testEvent({ meta: { stream } })))
    assertAccepted(reply, 201, 'All 2 out of 2 events were accepted.')
    const found = service.produced().slice(-2)
    assert.deepEqual(
      found.map(event => (event.meta as { stream: string }).stream),
      streams,
    )
  })

  const supported = [
    'application/json',
    'Application/JSON',
    'application/json;charset=utf-8',
    'application/json; charset=UTF-8',
    'application/json; charset=utf8',
    'application/json; charset=UTF8',
    'application/json; charset="utf-8"',
    'application/json; charset="UTF8"',
    'application/json ; Charset=utf-8',
    'application/json; profile=x; charset=utf-8',
    "application/json; charset='utf-8'",
    'application/json; charset=',
    'application/json; charset',
    'application/json; profile="a;charset=x"',
    'application/json; profile="a\\";charset=x"; charset=utf-8',
    'application/json;',
    'text/plain',
    'text/plain;charset=UTF-8',
    'application/reports+json',
    'application/reports+json; charset=utf-8',
  ]
  for (const type of supported) {
    await t.test(`content-type ${type} is read as JSON`, () =>
      stored(good, { headers: { 'content-type': type } }),
    )
  }
  const unsupported = [
    'application/json; charset=iso-8859-1',
    'application/json; charset=\'utf-8"',
    'application/json; profile="a"; charset=latin1',
    'application/json; charset="latin1"',
    'application/json; charset=utf-16',
    'application/json; charset="utf-8',
    'text/plain; charset=us-ascii',
    'text/html',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
    'json',
    '',
  ]
  for (const type of unsupported) {
    await t.test(`content-type ${type || '(empty)'} is refused`, () =>
      refused(
        good,
        { headers: { 'content-type': type } },
        { status: 415, reason: 'Unsupported Media Type', invalid: ['content_type_unsupported'] },
      ),
    )
  }
  await t.test('no content type at all is refused', async () => {
    const reply = await send(`${service.url}/v1/events`, { method: 'POST', body: good })
    assertFailure(reply, { status: 415, invalid: ['content_type_unsupported'] })
    await assertAlive(service)
  })

  const codings: [string, (body: string) => Buffer][] = [
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['GZIP', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['identity', body => Buffer.from(body)],
  ]
  for (const [coding, encode] of codings) {
    await t.test(`content-encoding ${coding} is decoded`, () =>
      stored(encode(good), { headers: { 'content-encoding': coding } }),
    )
  }
  for (const level of [0, 1, 6, 9]) {
    await t.test(`a bare deflate stream of level ${level} is decoded`, () =>
      stored(deflateRawSync(good, { level }), { headers: { 'content-encoding': 'deflate' } }),
    )
  }
  await t.test('what a coding hides reaches the file unchanged', async () => {
    const text = 'ünïcödé ☃ 🎉 '.repeat(300)
    await stored(gzipSync(JSON.stringify(testEvent({ test: text }))), {
      headers: { 'content-encoding': 'gzip' },
    })
    assert.equal(service.produced().at(-1)?.test, text)
  })
  const corrupt: [string, string, Buffer][] = [
    ['gzip that is none', 'gzip', Buffer.from(good)],
    ['gzip that is cut off', 'gzip', gzipSync(good).subarray(0, -12)],
    ...codings.flatMap(([coding, encode]): [string, string, Buffer][] =>
      ['xx', '\0\0'].map(rest => [
        `${coding} with bytes after its end`,
        coding,
        Buffer.concat([encode(good), Buffer.from(rest)]),
      ]),
    ),
    ['a large gzip with bytes after its end', 'gzip', Buffer.concat([gzipSync(noise()), Buffer.from('\0')])],
    [
      'a large br with bytes after its end',
      'br',
      Buffer.concat([brotliCompressSync(noise()), Buffer.from('x')]),
    ],
    [
      'bare deflate with bytes after its end',
      'deflate',
      Buffer.concat([deflateRawSync(good), Buffer.from('xx')]),
    ],
    ['gzip with a wrong checksum', 'gzip', flipped(gzipSync(good), -8)],
    ['gzip of nothing', 'gzip', Buffer.alloc(0)],
    ['deflate that is none', 'deflate', Buffer.from('zzzz')],
    ['br that is none', 'br', Buffer.from(good)],
  ]
  for (const [name, coding, body] of corrupt) {
    await t.test(`${name} is refused`, () =>
      refused(
        body,
        { headers: { 'content-encoding': coding } },
        { status: 400, invalid: ['body_malformed'] },
      ),
    )
  }
  const bomb = Buffer.from(JSON.stringify(testEvent({ test: 'a'.repeat(5_000_000) })))
  for (const [coding, encode] of [
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ] as const) {
    await t.test(`a ${coding} bomb is refused`, async () => {
      const body = encode(bomb)
      assert.ok(body.length < MAX_BODY, 'it must pass by its length')
      await refused(
        body,
        { headers: { 'content-encoding': coding } },
        { status: 413, reason: 'Payload Too Large', invalid: ['body_too_large'] },
      )
    })
  }
  await t.test('transfer-encoding: gzip, chunked is refused', async () => {
    const { port } = new URL(service.url)
    const headers = { 'content-type': 'application/json', 'transfer-encoding': 'gzip, chunked' }
    const req = request({
      port,
      host: '127.0.0.1',
      path: '/v1/events',
      method: 'POST',
      headers,
      agent: false,
    })
    req.end(gzipSync(good))
    const [res] = await once(req, 'response')
    res.resume()
    assert.equal(res.statusCode, 415)
    await assertAlive(service)
  })
  for (const coding of ['zstd', 'compress', 'gzip, gzip', 'constructor', '__proto__']) {
    await t.test(`content-encoding ${coding} is refused`, () =>
      refused(
        good,
        { headers: { 'content-encoding': coding } },
        { status: 415, invalid: ['content_encoding_unsupported'] },
      ),
    )
  }

  await t.test('a body without a length, in chunks, is taken', async () => {
    const before = service.produced().length
    const reply = await postChunked(service, [good.slice(0, 10), good.slice(10, 11), good.slice(11)])
    assert.equal(reply, 201)
    assert.equal(service.produced().length, before + 1)
  })
  await t.test('a character that two chunks share is one', async () => {
    const bytes = Buffer.from(JSON.stringify(testEvent({ test: 'snow ☃ man' })))
    const middle = bytes.indexOf(Buffer.from('☃')) + 1
    assert.equal(await postChunked(service, [bytes.subarray(0, middle), bytes.subarray(middle)]), 201)
    assert.equal(service.produced().at(-1)?.test, 'snow ☃ man')
  })
  await t.test('a byte order mark is skipped', () =>
    stored(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(good)]), {}),
  )
  const notUtf8: [string, Buffer][] = [
    ['Latin-1', Buffer.from(JSON.stringify(testEvent({ test: 'é' })), 'latin1')],
    [
      'an overlong form',
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]),
    ],
    [
      'an encoded surrogate',
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
    ],
    ['UTF-16', Buffer.from(`\ufeff${good}`, 'utf16le')],
  ]
  for (const [name, body] of notUtf8) {
    await t.test(`${name} is not UTF-8`, () =>
      refused(body, {}, { status: 400, reason: 'Bad Request', invalid: ['body_not_utf8'] }),
    )
  }

  const hasty: [string, boolean | undefined][] = [
    ['hasty=true', true],
    ['hasty=1', true],
    ['hasty=yes', true],
    ['hasty', true],
    ['x=1&hasty', true],
    ['hasty&x=1', true],
    ['%68asty=tru%65', true],
    ['hasty=false', false],
    ['hasty=0', false],
    ['hasty=no', false],
    ['hasty=', false],
    ['hasty=&x', false],
    ['', false],
    ['Hasty=true', false],
    ['nothasty=true', false],
    ['x=%zz', false],
    ['%zz=x', false],
    ['hasty=TRUE', undefined],
    ['hasty=on', undefined],
    ['hasty=2', undefined],
    ['hasty=%20', undefined],
    ['hasty=true%00', undefined],
    ['hasty=constructor', undefined],
    ['hasty=__proto__', undefined],
    ['hasty=%zz', undefined],
    ['hasty=true&hasty=true', undefined],
    ['hasty&hasty=false', undefined],
    ['hasty=&hasty=', undefined],
    ['hasty[]=true', false],
  ]
  for (const [query, meaning] of hasty) {
    const what = meaning === undefined ? 'refused' : meaning ? 'hasty' : 'not hasty'
    await t.test(`?${query} is ${what}`, async () => {
      const path = `/v1/events?${query}`
      if (meaning === undefined)
        return refused(good, { path }, { status: 400, reason: 'Bad Request', invalid: ['query_refused'] })
      const reply = await postBytes(service, good, { path })
      if (meaning) assertAccepted(reply, 202, '1 events hastily received.')
      else assertAccepted(reply, 201, ONE_ACCEPTED)
    })
  }

  await t.test('query parameters fill nothing unless configured', () =>
    refused(
      JSON.stringify({ meta: { stream: 'eventgate.test.event' } }),
      { path: '/v1/events?schema_uri=/test/event/1.0.0&stream=eventgate.test.event' },
      { status: 400, invalid: ['schema_uri_missing'] },
    ),
  )
  await t.test('an empty array is refused', () =>
    refused('[]', {}, { status: 400, reason: 'Bad Request', invalid: ['body_not_events'] }),
  )

  await t.test('a body over the limit is refused by its length', () =>
    refused(bomb, {}, { status: 413, reason: 'Payload Too Large', invalid: ['body_too_large'] }),
  )
  await t.test('a body of just the limit is taken', async () => {
    const event = JSON.stringify(testEvent())
    await stored(event + ' '.repeat(MAX_BODY - event.length), {})
  })
  await t.test('a body of one byte more is not', async () => {
    const event = JSON.stringify(testEvent())
    await refused(
      event + ' '.repeat(MAX_BODY - event.length + 1),
      {},
      { status: 413, invalid: ['body_too_large'] },
    )
  })
  await t.test('a body over the limit in chunks is refused', async () => {
    const chunks = Array.from({ length: 12 }, () => Buffer.alloc(1000, 32))
    assert.equal(await postChunked(service, chunks), 413)
    await assertAlive(service)
  })

  await t.test('Expect: 100-continue is refused by its length, before the 100', async t => {
    const connection = await connect(t, service.url)
    connection.write(head({ expect: '100-continue', 'content-length': MAX_BODY + 1 }))
    await connection.until(/\r\n\r\n\{.*\}$/)
    assertFailure(parseAnswer(connection.received()), { status: 413, invalid: ['body_too_large'] })
    await assertAlive(service)
  })
  await t.test('Expect: 100-continue is refused by its content type, before the 100', async t => {
    const connection = await connect(t, service.url)
    connection.write(head({ expect: '100-continue', 'content-length': 5, 'content-type': 'text/html' }))
    await connection.until(/\r\n\r\n\{.*\}$/)
    assertFailure(parseAnswer(connection.received()), { status: 415, invalid: ['content_type_unsupported'] })
  })
  await t.test('Expect: 100-continue gets its 100, and then its answer', async t => {
    const connection = await connect(t, service.url)
    connection.write(head({ expect: '100-continue', 'content-length': good.length }))
    assert.equal(await connection.until(/\r\n\r\n$/), 'HTTP/1.1 100 Continue\r\n\r\n')
    connection.write(good)
    const text = await connection.until(/HTTP\/1\.1 201 All 1 out of 1 events were accepted\.\r\n/)
    assert.ok(text.startsWith('HTTP/1.1 100 Continue\r\n\r\n'))
  })
  await t.test('a client of HTTP/1.0 gets no 100', async t => {
    const connection = await connect(t, service.url)
    connection.write(
      head({ expect: '100-continue', 'content-length': good.length }, { version: '1.0' }) + good,
    )
    assert.match(await connection.closed(), /^HTTP\/1\.1 201 /)
  })
  await t.test('any other expectation is refused', async t => {
    const connection = await connect(t, service.url)
    connection.write(head({ expect: 'miracles', 'content-length': good.length }) + good)
    await connection.until(/\r\n\r\n\{.*\}$/)
    assertFailure(parseAnswer(connection.received()), {
      status: 417,
      reason: 'Expectation Failed',
      invalid: ['expectation_failed'],
    })
    await assertAlive(service)
  })
  assert.equal(await service.stop(), 0)
})

test('query parameters that name schema and stream', async t => {
  const anything = {
    properties: {
      $schema: { type: 'string' },
      meta: { type: 'object', properties: { stream: { type: 'string' } } },
    },
  }
  const service = await startService(t, {
    schema_uri_query_param: 'schema_uri',
    stream_query_param: 'stream',
    schema_base_uris: [
      repository(t, {
        '/any/1.0.0': anything,
        '/bare/1.0.0': { properties: { meta: anything.properties.meta } },
      }),
    ],
  })
  const query = '?schema_uri=/any/1.0.0&stream=from.query'
  const stored = async (event: unknown) => {
    assertAccepted(await service.post(event, { query }), 201, ONE_ACCEPTED)
    return service.produced().at(-1)
  }
  await t.test('fill both where both are missing, as for network error reports', async () => {
    const report = { age: 1, type: 'network-error', body: { phase: 'dns' } }
    assert.deepEqual(await stored(report), {
      ...report,
      $schema: '/any/1.0.0',
      meta: { stream: 'from.query' },
    })
  })
  await t.test('give a meta without a stream one', async () => {
    assert.deepEqual(await stored({ meta: { other: 1 } }), {
      $schema: '/any/1.0.0',
      meta: { other: 1, stream: 'from.query' },
    })
  })
  await t.test('leave a stream that is there', async () => {
    assert.deepEqual(await stored({ meta: { stream: 'its.own' } }), {
      $schema: '/any/1.0.0',
      meta: { stream: 'its.own' },
    })
  })
  await t.test('leave a schema that is there', async () => {
    const event = await stored({ ...testEvent(), meta: { domain: 'x' } })
    assert.equal(event?.$schema, '/test/event/1.0.0')
    assert.deepEqual((event?.meta as { stream: string } | undefined)?.stream, 'from.query')
  })
  await t.test('hold for every event of an array', async () => {
    const reply = await service.post([{ n: 1 }, { n: 2, meta: { stream: 'its.own' } }], { query })
    assert.equal(reply.status, 201, reply.body)
    const streams = service
      .produced()
      .slice(-2)
      .map(event => (event.meta as { stream: string }).stream)
    assert.deepEqual(streams, ['from.query', 'its.own'])
  })
  await t.test('never add a field that the schema does not declare', async () => {
    const reply = await service.post({ n: 1 }, { query: '?schema_uri=/bare/1.0.0&stream=s' })
    assert.equal(reply.status, 201, reply.body)
    assert.deepEqual(service.produced().at(-1), { n: 1, meta: { stream: 's' } })
  })
  await t.test('are unescaped', async () => {
    const reply = await service.post({}, { query: '?schema_uri=%2Fany%2F1.0.0&stream=from%2Equery' })
    assert.equal(reply.status, 201, reply.body)
    assert.equal((service.produced().at(-1) as { meta: { stream: string } }).meta.stream, 'from.query')
  })
  const mistakes = {
    'do not mend an empty $schema': [{ $schema: '', meta: { stream: 's' } }, query, 'schema_uri_missing'],
    'do not mend a $schema that is no string': [{ $schema: 7 }, query, 'schema_uri_missing'],
    'do not mend a stream that is no string': [{ meta: { stream: 7 } }, query, 'stream_missing'],
    'fill nothing if empty': [{}, '?schema_uri=&stream=', 'schema_uri_missing'],
    'may name what is not there': [{}, '?schema_uri=/no/1.0.0&stream=s', 'schema_not_found'],
    'may name an illegal stream': [{}, '?schema_uri=/any/1.0.0&stream=a/b', 'stream_name_illegal'],
    'must not be repeated': [{}, `${query}&stream=other`, 'query_refused'],
    'must be well escaped': [{}, '?schema_uri=/any/1.0.0&stream=%ff', 'query_refused'],
  } as const
  for (const [name, [event, query, code]] of Object.entries(mistakes)) {
    await t.test(name, async () => {
      assertFailure(await service.post(event, { query }), { status: 400, invalid: [code] })
      await assertAlive(service)
    })
  }
})

/** An event that stays large when it is compressed. */
function noise(): string {
  return JSON.stringify(testEvent({ test: randomBytes(4500).toString('hex') }))
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[copy.length + at] = (copy.at(at) as number) ^ 0xff
  return copy
}

/** Posts a body without a length, one chunk after the other; gives the status of the answer. */
async function postChunked({ url }: Service, chunks: (string | Buffer)[]): Promise<number> {
  const headers = { 'content-type': 'application/json; charset=UTF-8', 'transfer-encoding': 'chunked' }
  const req = request(`${url}/v1/events`, { method: 'POST', headers, agent: false })
  const answered = once(req, 'response')
  for (const chunk of chunks) {
    req.write(chunk)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  req.end()
  const [res] = await answered
  res.resume()
  return res.statusCode
}
