import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  assertAlive,
  assertFailure,
  connect,
  eventually,
  freePort,
  head,
  parseAnswer,
  parseAnswers,
  samples,
} from '../support/http.js'
import { send, startService, testEvent } from '../support/service.js'

// What no HTTP library would send: every request is answered, and what the answer says is true.

const good = JSON.stringify(testEvent())
const whole = head({ 'content-length': good.length }) + good

test('raw connections', async t => {
  const metricsPort = await freePort()
  const service = await startService(
    t,
    { request_timeout_ms: 500, schema_timeout_ms: 400, max_body_size: 2 * 1024 * 1024 },
    { metrics: { type: 'prometheus', port: metricsPort } },
  )
  const { url } = service
  const inFlight = async (delivery = 'guaranteed') =>
    (await samples(metricsPort)).get(`eventgate_in_flight_bytes{service="eventgate",delivery="${delivery}"}`)

  const garbage: Record<string, string | Buffer> = {
    'random bytes': Buffer.from([0, 1, 2, 250, 13, 10, 13, 10]),
    'a TLS greeting': Buffer.from('16030100c8010000c40303', 'hex'),
    'a method that is none': 'EVENT /v1/events HTTP/1.1\r\nhost: x\r\n\r\n',
    'a header without a colon': 'POST /v1/events HTTP/1.1\r\nhost x\r\n\r\n',
    'a length that is no number': 'POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: ten\r\n\r\n',
    'a negative length': 'POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n',
    'two lengths': 'POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
    'a length and chunks': head({ 'content-length': 5, 'transfer-encoding': 'chunked' }),
    'a chunk whose length is no number': `${head({ 'transfer-encoding': 'chunked' })}zz\r\n{}`,
  }
  for (const [name, bytes] of Object.entries(garbage)) {
    await t.test(`${name}: 400 with a body like any other`, async t => {
      const connection = await connect(t, url)
      connection.write(bytes)
      const answer = parseAnswer(await connection.closed())
      assertFailure(answer, { status: 400, reason: 'Bad Request', invalid: ['request_malformed'] })
      assert.equal(answer.headers.connection, 'close')
      await assertAlive(service)
    })
  }
  await t.test('a request without host, or with two, is refused; HTTP/1.0 needs no host', async t => {
    const connection = await connect(t, url)
    connection.write('GET /_info HTTP/1.1\r\nconnection: close\r\n\r\n')
    const answer = parseAnswer(await connection.closed())
    assertFailure(answer, { status: 400, reason: 'Bad Request', invalid: ['request_malformed'] })
    for (const version of ['1.1', '1.0']) {
      const two = await connect(t, url)
      two.write(`GET /_info HTTP/${version}\r\nhost: a\r\nHost: b\r\nconnection: close\r\n\r\n`)
      const refused = parseAnswer(await two.closed())
      assertFailure(refused, { status: 400, reason: 'Bad Request', invalid: ['request_malformed'] })
    }
    const old = await connect(t, url)
    old.write('GET /_info HTTP/1.0\r\n\r\n')
    assert.match(await old.closed(), /^HTTP\/1\.1 200 /)
  })
  for (const target of ['http://', 'http://[::1/v1/events', 'v1/events']) {
    await t.test(`a target that is no address is refused: ${target}`, async t => {
      const connection = await connect(t, url)
      connection.write(`POST ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
      const answer = parseAnswer(await connection.closed())
      assertFailure(answer, { status: 400, reason: 'Bad Request', invalid: ['request_malformed'] })
      assert.ok(service.log().every(line => typeof line.msg === 'string'))
    })
  }
  await t.test('a target without a path: 404 in the form of any other', async t => {
    const connection = await connect(t, url)
    connection.write('GET foo:// HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    const answer = parseAnswer(await connection.closed())
    assertFailure(answer, { status: 404, reason: 'Not Found', invalid: ['route_not_found'] })
  })
  await t.test('headers that are too large: 431', async t => {
    const connection = await connect(t, url)
    connection.write(head({ 'content-length': 2, 'x-large': 'x'.repeat(20_000) }))
    assertFailure(parseAnswer(await connection.closed()), {
      status: 431,
      reason: 'Request Header Fields Too Large',
      invalid: ['header_too_large'],
    })
    await assertAlive(service)
  })
  await t.test('a URL that is too large: 431', async t => {
    const connection = await connect(t, url)
    connection.write(`POST /v1/events?${'x'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`)
    assertFailure(parseAnswer(await connection.closed()), { status: 431, invalid: ['header_too_large'] })
  })
  await t.test('a request by its absolute URL is one like any other', async t => {
    const connection = await connect(t, url)
    connection.write(head({ 'content-length': good.length }, { path: 'http://gate/v1/events' }) + good)
    await connection.until(/^HTTP\/1\.1 201 /)
  })
  await t.test('OPTIONS * is answered', async t => {
    const connection = await connect(t, url)
    connection.write('OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    assert.match(await connection.closed(), /^HTTP\/1\.1 [24]\d\d /)
  })

  await t.test('half a body, then silence: 408 in time, and no room is kept', async t => {
    const connection = await connect(t, url)
    connection.write(head({ 'content-length': good.length }) + good.slice(0, 20))
    await eventually(async () => assert.equal(await inFlight(), 20))
    await connection.until(/\r\n\r\n\{.*\}$/)
    const [entry] = assertFailure(parseAnswer(connection.received()), {
      status: 408,
      reason: 'Request Timeout',
      invalid: ['body_timeout'],
    })
    assert.match(entry.context.message, /20 bytes/)
    await eventually(async () => assert.equal(await inFlight(), 0))
    await connection.closed()
    await assertAlive(service)
  })
  await t.test('half a body in chunks, then silence: 408', async t => {
    const connection = await connect(t, url)
    connection.write(`${head({ 'transfer-encoding': 'chunked' })}5\r\n{"a":\r\n`)
    await connection.until(/\r\n\r\n\{.*\}$/)
    assertFailure(parseAnswer(connection.received()), { status: 408, invalid: ['body_timeout'] })
  })
  await t.test(
    'half a hasty body, then silence: 408 in time too, because the hasty room is bounded',
    async t => {
      const connection = await connect(t, url)
      connection.write(
        head({ 'content-length': good.length }, { path: '/v1/events?hasty' }) + good.slice(0, 20),
      )
      await new Promise(resolve => setTimeout(resolve, 3000))
      assert.notEqual(connection.received(), '', 'no answer after six times request_timeout_ms')
      assertFailure(parseAnswer(connection.received()), { status: 408, invalid: ['body_timeout'] })
    },
  )
  for (const path of ['/v1/events', '/v1/events?hasty=true']) {
    await t.test(`a client that goes away in mid-body leaves no room taken: ${path}`, async t => {
      const delivery = path.includes('hasty') ? 'hasty' : 'guaranteed'
      const connection = await connect(t, url)
      const before = await inFlight(delivery)
      connection.write(head({ 'content-length': 1_000_000 }, { path }) + good.slice(0, 20))
      await eventually(async () => assert.equal(await inFlight(delivery), 20))
      connection.socket.resetAndDestroy()
      await eventually(async () => assert.equal(await inFlight(delivery), before === 0 ? 0 : before))
    })
  }
  await t.test('a body in pieces of one byte is a body', async t => {
    const connection = await connect(t, url)
    const before = service.produced().length
    const long = JSON.stringify(testEvent({ test: 'x'.repeat(2000) }))
    connection.write(head({ 'transfer-encoding': 'chunked' }))
    connection.write([...long].map(byte => `1\r\n${byte}\r\n`).join(''))
    connection.write('0\r\n\r\n')
    await connection.until(/^HTTP\/1\.1 201 /)
    await eventually(() => assert.equal(service.produced().length, before + 1))
    assert.equal(service.produced().at(-1)?.test, 'x'.repeat(2000))
  })
  await t.test(
    'a long answer takes none of the room of requests, and a client that does not read it is cut',
    async t => {
      const connection = await connect(t, url)
      connection.socket.pause()
      // Three bytes each, and hundreds in the answer, which is more than sockets hold.
      const body = `[${'{},'.repeat(44_999)}{}]`
      const open = async () => (await samples(metricsPort)).get('eventgate_connections{service="eventgate"}')
      await eventually(async () => assert.equal(await open(), 1))
      connection.write(head({ 'content-length': body.length }) + body)
      await eventually(async () => assert.ok(Number(await inFlight()) > 0))
      await eventually(async () => assert.equal(await inFlight(), 0))
      await eventually(async () => assert.equal(await open(), 0))
      connection.socket.resume()
      assert.match(await connection.closed(), /^HTTP\/1\.1 (400|503) /)
    },
  )
  await t.test('a client that closes in mid-body leaves no room taken', async t => {
    const connection = await connect(t, url)
    connection.write(head({ 'content-length': 1_000_000 }) + good.slice(0, 20))
    await eventually(async () => assert.equal(await inFlight(), 20))
    connection.socket.end()
    await eventually(async () => assert.equal(await inFlight(), 0))
  })
  await t.test('a client that says at once that it has said all is answered', async t => {
    const connection = await connect(t, url, { allowHalfOpen: true })
    const before = service.produced().length
    connection.socket.end(whole)
    const text = await connection.closed()
    await eventually(() => assert.equal(service.produced().length, before + 1))
    assert.match(
      text,
      /^HTTP\/1\.1 201 /,
      'the event is stored, and its client was cut off without an answer',
    )
  })
  await t.test('garbage after a request does not take the place of its answer', async t => {
    const connection = await connect(t, url)
    const before = service.produced().length
    connection.write(`${whole}garbage\r\n\r\n`)
    const answers = parseAnswers(await connection.closed())
    await eventually(() => assert.equal(service.produced().length, before + 1))
    assert.deepEqual(
      answers.map(({ status }) => status),
      [201, 400],
    )
  })
  await t.test('nor of the answers to several requests, sent at once', async t => {
    const connection = await connect(t, url)
    const before = service.produced().length
    connection.write(`${whole}${whole}${whole}garbage\r\n\r\n`)
    const answers = parseAnswers(await connection.closed())
    assert.deepEqual(
      answers.map(({ status }) => status),
      [201, 201, 201, 400],
    )
    assert.equal(service.produced().length, before + 3)
  })
  await t.test('what is no request is counted too', async t => {
    const unreadable = async () =>
      (await samples(metricsPort)).get(
        'express_router_request_duration_seconds_count{service="eventgate",path="unknown",method="other",status="400"}',
      ) ?? 0
    const before = await unreadable()
    const connection = await connect(t, url)
    connection.write('garbage\r\n\r\n')
    await connection.closed()
    assert.equal(await unreadable(), before + 1)
  })
  await t.test('a client that sends on after its refusal, and only then listens, hears it', async t => {
    const connection = await connect(t, url)
    const length = 8 * 1024 * 1024
    connection.socket.pause()
    connection.write(head({ 'content-length': length, connection: 'close' }))
    // The answer is there long before the body is.
    await new Promise(resolve => setTimeout(resolve, 200))
    await new Promise(resolve => connection.socket.write(Buffer.alloc(length, 32), resolve))
    connection.socket.resume()
    assertFailure(parseAnswer(await connection.closed()), { status: 413, invalid: ['body_too_large'] })
  })
  await t.test('a body on a path that ignores it does no harm to the next request', async t => {
    const connection = await connect(t, url)
    for (const path of ['/nowhere', '/_info']) {
      connection.write(`${head({ 'content-length': 5 }, { path })}abcde`)
    }
    connection.write(whole)
    await connection.until(/HTTP\/1\.1 404 [\s\S]*HTTP\/1\.1 40[45] [\s\S]*HTTP\/1\.1 201 /)
  })
  await t.test('a refused body does no harm to the next request', async t => {
    const connection = await connect(t, url)
    const headers = { 'content-length': good.length, 'content-type': 'text/html' }
    connection.write(head(headers) + good + whole)
    await connection.until(/HTTP\/1\.1 415 [\s\S]*HTTP\/1\.1 201 /)
  })
  await t.test('many connections that only connect keep nobody out', async t => {
    for (let i = 0; i < 200; i++) await connect(t, url)
    await assertAlive(service)
    assert.equal((await send(`${url}/_info`)).status, 200)
  })
})

test('headers that come too slowly: 408', async t => {
  const service = await startService(t)
  const connection = await connect(t, service.url)
  connection.write('POST /v1/events HTTP/1.1\r\nhost: x\r\n')
  const drip = setInterval(() => connection.write('x-drip: 1\r\n'), 500)
  t.after(() => clearInterval(drip))
  assertFailure(parseAnswer(await connection.closed()), {
    status: 408,
    reason: 'Request Timeout',
    invalid: ['body_timeout'],
  })
  await assertAlive(service)
})
