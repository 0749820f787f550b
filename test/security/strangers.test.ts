import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fastFormats from 'ajv-formats/dist/formats.js'
import { MAX_MEMBERS } from '#src/lib/http/body.js'
import { Inspection } from '#src/lib/regexp/safety.js'
import { formats } from '#src/lib/schemas/formats.js'
import { StreamTable } from '#src/lib/streams/table.js'
import {
  assertAlive,
  assertFailure,
  connect,
  freePort,
  head,
  parseAnswer,
  postBytes,
  repository,
  type Stored,
  samples,
} from '../support/http.js'
import {
  CORPORA,
  type Reply,
  type Service,
  send,
  startService,
  temporary,
  testEvent,
} from '../support/service.js'

// What somebody sends who means harm: nothing of it reaches a path, an address, a header, a line or a label.

/** A repository over HTTP that has nothing, and what it was asked for. */
async function emptyRegistry(t: TestContext): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((req, res) => {
    asked.push(String(req.url))
    res.writeHead(404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close().closeAllConnections())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

test('names of schemas', async t => {
  const folder = temporary(t)
  mkdirSync(join(folder, 'schemas'))
  const secret = 'title: eventgate.test.event\ntype: object\n'
  for (const name of ['secret', 'secret.yaml']) writeFileSync(join(folder, name), secret)
  const registry = await emptyRegistry(t)
  const service = await startService(t, {
    schema_base_uris: [join(folder, 'schemas'), registry.url],
    schema_uri_query_param: 'schema_uri',
  })
  const hostile: Record<string, string[]> = {
    'that lead upwards': ['../secret', '/../secret', '/a/../../secret', '/./../secret', '/a/..', '..'],
    'that lead upwards, encoded': ['/%2e%2e/secret', '/..%2fsecret', '%2e%2e%2fsecret', '/.%2e/secret'],
    'that lead upwards, encoded twice': [
      '/%252e%252e/secret',
      '/..%252fsecret',
      '/%25%32%65%25%32%65/secret',
    ],
    'that lead upwards, in other bytes': ['/%c0%ae%c0%ae/secret', '/\uff0e\uff0e/secret', '/\u2025/secret'],
    'with backslashes': ['..\\secret', '/..\\secret', '\\..\\secret', '/%5c..%5csecret', '\\\\host\\share'],
    'with NUL': ['/secret\0', '/../secret\0.yaml', '/a\u0000/../secret', '/secret%00'],
    'that are absolute': ['http://169.254.169.254/latest', 'https://evil.example/x', 'file:///etc/passwd'],
    'that are absolute, by their scheme only': ['HTTP://x/y', 'hTTps:/x', 'ftp://x/y', 'data:,{}', 'node:fs'],
    'relative to a scheme': [
      '//evil.example/x',
      '///evil.example/x',
      '/\\evil.example/x',
      '\\\\evil.example',
    ],
    'with a user': ['http://a@127.0.0.1/x', '@127.0.0.1/x:y', '/@/../x'],
    'with a query or a part': ['/a/1.0.0?x=1', '/a/1.0.0#/x', '#', '?'],
    'that break lines': ['/a\r\nhost: evil', '/a\n', '/a%0d%0ax', ' /a', '/a\u2028b'],
  }
  for (const [what, uris] of Object.entries(hostile)) {
    await t.test(`${what} are refused before anything is asked`, async () => {
      for (const $schema of uris) {
        const replies = [
          await service.post(testEvent({ $schema })),
          await service.post(testEvent({ $schema: undefined }), {
            query: `?schema_uri=${encodeURIComponent($schema)}`,
          }),
        ]
        for (const reply of replies) {
          const [entry] = assertFailure(reply, { status: 400, invalid: ['schema_uri_refused'] })
          assert.match(entry.context.message, /^[^\p{Cc}\u2028]*$/u)
        }
      }
      assert.deepEqual(registry.asked, [])
    })
  }
  await t.test('that are fine are asked for as they are written', async () => {
    assertFailure(await service.post(testEvent({ $schema: '/a/1.0.0' })), {
      status: 400,
      invalid: ['schema_not_found'],
    })
    assert.deepEqual(registry.asked, ['/a/1.0.0', '/a/1.0.0.yaml'])
  })
  await assertAlive(service)
})

test('references of schemas lead nowhere but to their repositories', async t => {
  const registry = await emptyRegistry(t)
  const references = [`${registry.url}/x`, '//evil.example/x', 'file:///etc/passwd', '/%2e%2e/x', 'ftp://x/y']
  const schemas = Object.fromEntries(
    references.map(($ref, i) => [`/evil/${i}`, { properties: { x: { $ref } } }]),
  )
  const service = await startService(t, { schema_base_uris: [repository(t, schemas)] })
  for (const $schema of Object.keys(schemas)) {
    assertFailure(await service.post(testEvent({ $schema })), { status: 400, invalid: ['schema_broken'] })
  }
  assert.deepEqual(registry.asked, [])
})

/** Regular expressions that take for ever, and a text on which they do. */
const CATASTROPHES: [pattern: string, pump: string, runsLinear: boolean][] = [
  ['^(a+)+$', 'a', true],
  ['^(a|a)*$', 'a', true],
  ['^(a|ab|b)*c$', 'a', true],
  ['(\\d+\\s*)*x', '1', true],
  ['(x+x+)+y', 'x', true],
  ['^([a-zA-Z0-9])(([.-]|[_]+)?([a-zA-Z0-9]+))*@$', 'a', true],
  ['a*a*a*a*a*a*b', 'a', true],
  ['^(?=(a+)+$)x', 'a', false],
  ['^(?!(a+)+$)x', 'a', false],
  ['^(a+)+\\1$', 'a', false],
  ['^(a{1,30}){1,30}$', 'a', false],
  ['^(\\w{1,63}\\.?)+$', 'a', false],
  ['a{1,100}a{1,100}a{1,100}a{1,100}b', 'a', false],
]

test('catastrophic patterns of schemas, on bounded strings', { timeout: 60_000 }, async t => {
  const schemas: Record<string, object> = {}
  const bounded = { type: 'string', maxLength: 1000 }
  for (const [i, [pattern]] of CATASTROPHES.entries()) {
    schemas[`/value/${i}`] = { properties: { x: { ...bounded, pattern } } }
    schemas[`/name/${i}`] = {
      properties: { x: { propertyNames: { maxLength: 1000 }, patternProperties: { [pattern]: {} } } },
    }
  }
  const service = await startService(t, { schema_base_uris: [repository(t, schemas)] })
  for (const [i, [pattern, pump, runsLinear]] of CATASTROPHES.entries()) {
    const text = `${pump.repeat(999)}!`
    await t.test(`${pattern} ${runsLinear ? 'costs milliseconds' : 'refuses its schema'}`, async () => {
      for (const [kind, x] of Object.entries({ value: text, name: { [text]: 1 } })) {
        const started = performance.now()
        const reply = await service.post(testEvent({ $schema: `/${kind}/${i}`, x }))
        // For ever, or a few milliseconds; the bound is for a busy machine.
        assert.ok(performance.now() - started < 5000)
        if (!runsLinear) assertFailure(reply, { status: 400, invalid: ['schema_insecure'] })
        else if (kind === 'value') assertFailure(reply, { status: 400, invalid: ['validation_failed'] })
        else assert.equal(reply.status, 201, reply.body)
      }
    })
  }
  await assertAlive(service)
})

test('catastrophic names of streams', { timeout: 60_000 }, async t => {
  const settings = { schema_title: 'test/event' }
  const streams = Object.fromEntries(CATASTROPHES.map(([pattern]) => [`/${pattern}/`, settings]))
  const stream_config_uri = join(temporary(t), 'streams.json')
  writeFileSync(stream_config_uri, JSON.stringify({ ...streams, '/^fine\\..+/': settings }))
  const service = await startService(t, { stream_config_uri })
  await t.test('expressions that no engine runs fast are left out, and said so', () => {
    const said = service.log().map(({ msg }) => String(msg))
    for (const [pattern, , runsLinear] of CATASTROPHES) {
      // The check has half a second for all of them. A busy machine does not get to the last ones.
      const found = said.some(line =>
        ['may take very long', 'could not be checked in time'].some(reason =>
          line.includes(`is left out: the regular expression ${JSON.stringify(pattern)} ${reason}`),
        ),
      )
      assert.equal(found, !runsLinear, pattern)
    }
  })
  await t.test('no name takes long, and the other streams take their events', async () => {
    for (const pump of new Set(CATASTROPHES.map(([, pump]) => pump))) {
      const started = performance.now()
      await service.post(testEvent({ meta: { stream: `${pump.repeat(200)}-` } }))
      assert.ok(performance.now() - started < 5000)
    }
    assert.equal((await service.post(testEvent({ meta: { stream: 'fine.1' } }))).status, 201)
  })
})

test('the check of stream names is bounded, and continues later', { timeout: 60_000 }, () => {
  const names = Array.from({ length: 5 }, (_, i) => `/^(?!y{2${i}})[a-z]{1,${63 + i}}$/`)
  const text = JSON.stringify(Object.fromEntries(names.map(name => [name, {}])))
  const read = () => {
    const options = { objectPath: undefined, destination: undefined, topicPrefix: '' }
    return StreamTable.read(text, options, new Inspection(0))
  }
  for (let i = 1; i < 5; i++) {
    const table = read()
    assert.equal(table.size, i)
    assert.equal(table.isIncomplete, true)
    assert.equal(table.warnings.filter(warning => warning.includes('in time')).length, 5 - i)
  }
  assert.equal(read().size, 5)
  assert.equal(read().isIncomplete, false)
})

for (const { name, streamConfigs, skip } of CORPORA) {
  test(`names of streams as they are in production are taken: ${name}`, { skip }, () => {
    let expressions = 0
    for (const file of readdirSync(streamConfigs)) {
      const text = readFileSync(join(streamConfigs, file), 'utf8')
      const options = { objectPath: 'streams', destination: undefined, topicPrefix: 'eqiad.' }
      const table = StreamTable.read(text, options)
      assert.deepEqual(table.warnings, [], file)
      expressions += Object.keys(table.settings).filter(name => name.startsWith('/')).length
    }
    assert.ok(expressions >= 2)
  })
}

test('formats take time in proportion to the text', { timeout: 60_000 }, () => {
  const pumps = [
    ...[
      'a',
      '1',
      '-',
      '.',
      '/',
      ':',
      '@',
      '%',
      '%41',
      '{',
      '{a,',
      '~',
      '#',
      '[',
      '(',
      'a-',
      'a.',
      '1.',
      '::',
    ],
    ...[
      ' ',
      '\t',
      '\n',
      'é',
      '+',
      '0',
      'a@',
      '\\',
      '(a*)*',
      'http://',
      '?',
      'x=',
      '-a',
      'a@b.cc/',
      '.\u00a1-',
    ],
  ]
  const starts = ['', 'http://', 'https://u:', 'http://a', '//', 'a@', '{', '#', '/', 'fe80::1%', '00:00:00.']
  const ends = ['', '!', ' ', '\n\n!', '@', '\ud800']
  for (const [name, format] of Object.entries(formats)) {
    const validate =
      typeof format === 'object' && 'validate' in format ? (format.validate as RegExp | Check) : format
    const check = validate instanceof RegExp ? (text: string) => validate.test(text) : (validate as Check)
    for (const start of starts) {
      for (const pump of pumps) {
        for (const end of ends) {
          const text = start + pump.repeat(Math.ceil(40_000 / pump.length)) + end
          // 50 ms at the most; what takes each with each takes a second and more. A busy machine gets three tries.
          const took = () => {
            const started = performance.now()
            check(text)
            return performance.now() - started
          }
          const fast = [took, took, took].some(once => once() < 400)
          assert.ok(fast, `${name} ${JSON.stringify([start, pump, end])}`)
        }
      }
    }
  }
})

type Check = (text: string) => unknown

test('the formats that were made linear judge as before', () => {
  const { ipv6, url } = fastFormats.fastFormats as { ipv6: RegExp; url: RegExp }
  const isIpv6 = (text: string) => {
    const [, address] = /^\s*([\da-f:.]+)(?:%.+)?\s*$/i.exec(text) ?? []
    return address !== undefined && ipv6.test(address)
  }
  let seed = 1
  const draw = (from: string[]) => {
    seed = (seed * 48271) % 0x7fffffff
    return from[seed % from.length] as string
  }
  const some = (starts: string[], parts: string[]) =>
    draw(starts) + Array.from({ length: (seed >> 8) % 7 }, () => draw(parts)).join('')
  const ofIpv6 = ['%', ' ', '\n', '\r', 'a', '0', ':', '::', '\u2028', '1.2.3.4', 'x', '\t', 'eth0']
  const ofUrl = ['@', ':', 'a', 'b.cc', '/', '8.8.8.8', ' ', '\u3000', 'a@', 'u:p@', 'é.fr', ':80', '?', '-']
  const verdicts = new Set<string>()
  for (let i = 0; i < 20_000; i++) {
    const address = some(['', ' ', '::', 'fe80::', '1::2', '::1%', '::1%eth0'], ofIpv6)
    const location = some(['http://', 'https://', 'ftp://', 'x://'], ofUrl)
    for (const [name, text, expected] of [
      ['ipv6', address, isIpv6(address)],
      ['url', location, url.test(location)],
    ] as const) {
      assert.equal((formats[name] as Check)(text), expected, JSON.stringify(text))
      verdicts.add(`${name} ${expected}`)
    }
  }
  assert.equal(verdicts.size, 4)
})

test('events that are wide cost what they weigh', { timeout: 60_000 }, async t => {
  const service = await startService(t, { max_events_in_flight: 1000 })
  const wide: Record<string, string> = {
    // With the object itself, just as many as a body may have.
    'half a million keys': `{${Array.from({ length: MAX_MEMBERS - 1 }, (_, i) => `"k${i}":0`).join()}}`,
    'a million items': `{"x":[${'0,'.repeat(1_000_000)}0]}`,
    'one long key': `{"${'k'.repeat(4_000_000)}":0}`,
    'one long text': `{"$schema":"${'/a'.repeat(2_000_000)}"}`,
    'escapes alone': `{"$schema":"${'\\u0000'.repeat(1_000_000)}"}`,
  }
  for (const [name, body] of Object.entries(wide)) {
    await t.test(name, async () => {
      const reply = await postBytes(service, body)
      assert.equal(reply.status, 400)
      for (const { context } of assertFailure(reply, { status: 400 }))
        assert.ok(context.message.length < 1000, 'a message grows with the event')
    })
  }
  await t.test('more events than could ever be held', async () => {
    const reply = await postBytes(service, `[${'{},'.repeat(1000)}{}]`)
    assertFailure(reply, { status: 413, invalid: ['body_too_large'] })
  })
  await assertAlive(service)
})

/** What would be an answer, or a line, of its own, were it written as it is. */
const INJECTION =
  '\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n\n{"level":60,"msg":"injected"}\n\u2028\x1b[31m'

test('nothing that was sent becomes a header, a reason phrase or a line of the log', async t => {
  const service = await startService(t, {
    stream_config_uri: null,
    schema_uri_query_param: 'schema_uri',
    stream_query_param: 'stream',
  })
  const encoded = encodeURIComponent(INJECTION)
  // As bytes on the wire a header cannot hold line breaks; all else that may stand in one does.
  const headers = {
    'x-request-id': 'evil"\\,{}\tid\u00ff',
    origin: 'https://evil.example',
    'user-agent': '"}\t{',
  }
  const event = (more: object) => testEvent(more as Record<string, unknown>)
  const replies: Reply[] = []
  for (const events of [
    event({ $schema: INJECTION }),
    event({ meta: { stream: INJECTION } }),
    event({ meta: { stream: 'ok', dt: INJECTION } }),
    event({ [INJECTION]: 1, test: 1 }),
    event({ test: { [INJECTION]: INJECTION } }),
    INJECTION,
    [INJECTION],
  ])
    replies.push(await service.post(events, { headers }))
  for (const query of [`?hasty=${encoded}`, `?schema_uri=${encoded}`, `?stream=${encoded}`, `?${encoded}=1`])
    replies.push(await service.post(event({ $schema: undefined, meta: {} }), { query, headers }))
  for (const path of [`/${encoded}`, `/v1/stream-configs/${encoded}`, `/_info/${encoded}`, `/?${encoded}`])
    replies.push(await send(`${service.url}${path}`, { headers }))
  replies.push(await postBytes(service, INJECTION, { headers }))
  const type = { ...headers, 'content-type': 'application/x\u00ff"; charset=\t"' }
  replies.push(await postBytes(service, '{}', { headers: type }))
  const coding = { ...headers, 'content-encoding': 'x"\t{}' }
  replies.push(await postBytes(service, '{}', { headers: coding }))

  const known = /^(All \d+ out of|\d+ out of|\d+ events|[A-Z][A-Za-z -]*\b)[^\p{Cc}]*$/u
  for (const reply of replies) {
    assert.equal(reply.headers['set-cookie'], undefined)
    assert.match(reply.reason, known)
    for (const [name, value] of Object.entries(reply.headers)) {
      for (const own of ['evil', 'injected', 'a=b', '"}']) assert.ok(!String(value).includes(own), name)
    }
  }
  // Lines that are no JSON would fail to be read; one made of theirs would have what they wrote for its message.
  const lines = service.log()
  assert.ok(lines.length > 3)
  for (const line of lines) {
    assert.notEqual(line.msg, 'injected')
    assert.equal(line.name, 'eventgate')
  }
  // Terminals would obey the one, and some readers of lines take the other for an end of a line.
  const messages = lines.map(({ msg }) => String(msg)).filter(message => !message.includes('not JSON'))
  for (const message of messages) assert.match(message, /^[^\p{Cc}\p{Zl}\p{Zp}]*$/u)
  await assertAlive(service)
})

test('a header of a request reaches an event as a text, cut', async t => {
  const schema = {
    properties: {
      $schema: { type: 'string' },
      meta: { type: 'object', properties: { stream: { type: 'string' }, request_id: { type: 'string' } } },
    },
  }
  const service = await startService(t, { schema_base_uris: [repository(t, { '/ids/1.0.0': schema })] })
  const id = '","x":"'.repeat(200)
  const event = { $schema: '/ids/1.0.0', meta: { stream: 'ids' } }
  assert.equal((await service.post(event, { headers: { 'x-request-id': id } })).status, 201)
  const [produced] = service.produced() as Stored[]
  assert.equal(produced.meta.request_id, id.slice(0, 400))
})

/** Requests whose end two readers would see at different places; what follows them is a request to one of these. */
function smuggles(body: string): Record<string, string> {
  const start = 'POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n'
  const length = `content-length: ${body.length}\r\n`
  const chunked = 'transfer-encoding: chunked\r\n'
  const last = '0\r\n\r\n'
  return {
    'a length, then chunks': `${start}content-length: 5\r\n${chunked}\r\n${last}`,
    'chunks, then a length': `${start}${chunked}content-length: 5\r\n\r\n${last}`,
    'two lengths that differ': `${start}${length}content-length: 0\r\n\r\n${body}`,
    'two lengths that are the same': `${start}${length}${length}\r\n${body}`,
    'a list of lengths': `${start}content-length: ${body.length}, ${body.length}\r\n\r\n${body}`,
    'a length with a sign': `${start}content-length: +${body.length}\r\n\r\n${body}`,
    'a length in another base': `${start}content-length: 0x10\r\n\r\n${body}`,
    'a length beyond numbers': `${start}content-length: 99999999999999999999\r\n\r\n${body}`,
    'lines that end in LF': `${start}${length}\r\n${body}`.replaceAll('\r\n', '\n'),
    'one line that ends in LF': `${start}x-a: b\n${length}\r\n${body}`,
    'LF before another header': `${start}x-a: b\n${chunked}${length}\r\n${body}`,
    'CR before another header': `${start}x-a: b\r${chunked}${length}\r\n${body}`,
    'a blank before the colon of a length': `${start}content-length : ${body.length}\r\n\r\n${body}`,
    'a blank before the colon of chunks': `${start}transfer-encoding : chunked\r\n${length}\r\n${body}`,
    'a folded header': `${start}x-a: b\r\n c\r\n${length}\r\n${body}`,
    'a folded transfer-encoding': `${start}transfer-encoding:\r\n chunked\r\n${length}\r\n${body}`,
    'a first header that begins with a blank': `POST /v1/events HTTP/1.1\r\n host: x\r\n${length}\r\n${body}`,
    'an unknown transfer-encoding': `${start}transfer-encoding: xchunked\r\n\r\n${last}`,
    'chunks that are not the last coding': `${start}transfer-encoding: chunked, identity\r\n\r\n${last}`,
    'two transfer-encodings': `${start}${chunked}transfer-encoding: identity\r\n\r\n${last}`,
    'identity and a length': `${start}transfer-encoding: identity\r\n${length}\r\n${body}`,
    'a vertical tab before chunked': `${start}transfer-encoding:\x0bchunked\r\n\r\n${last}`,
    'NUL in a header': `${start}x-a: b\0c\r\n${length}\r\n${body}`,
    'a chunk extension with LF': `${start}${chunked}\r\n0;a\n\r\n\r\n`,
    'chunks that end in LF': `${start}${chunked}\r\n2\n{}\n0\n\n`,
    'a chunk longer than it says': `${start}${chunked}\r\n1\r\n{}\r\n${last}`,
    'a chunk in another notation': `${start}${chunked}\r\n0x2\r\n{}\r\n${last}`,
    'a chunk beyond numbers': `${start}${chunked}\r\nfffffffffffffffff\r\n{}\r\n${last}`,
    'chunks in HTTP/1.0': `${start}${chunked}\r\n${last}`.replace('HTTP/1.1', 'HTTP/1.0'),
    'HTTP/0.9': 'POST /v1/events\r\n',
    'the greeting of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    CONNECT: 'CONNECT /v1/events HTTP/1.1\r\nhost: x\r\n\r\n',
  }
}

test('request smuggling', async t => {
  const service = await startService(t)
  const body = JSON.stringify(testEvent())
  const hidden = JSON.stringify(testEvent({ test: 'smuggled' }))
  const second = head({ 'content-length': hidden.length }) + hidden
  for (const [name, first] of Object.entries(smuggles(body))) {
    await t.test(`${name}: one answer, 400, and the end`, async t => {
      const connection = await connect(t, service.url)
      connection.write(Buffer.from(first + second, 'latin1'))
      const answer = parseAnswer(await connection.closed())
      const code = name === 'chunks in HTTP/1.0' ? 'body_empty' : 'request_malformed'
      assertFailure(answer, { status: 400, invalid: [code] })
      assert.equal(answer.headers.connection, 'close')
    })
  }
  await assertAlive(service)
  const smuggled = service.produced().filter(event => event.test === 'smuggled')
  assert.deepEqual(smuggled, [])
})

test('labels of metrics are not made by clients, however many try', async t => {
  const port = await freePort()
  const service: Service = await startService(t, {}, { metrics: { type: 'prometheus', port } })
  const askAll = async (i: number) => {
    const made = `made.${i}`
    await service.post(testEvent({ $schema: `/${made}/1.0.0` }))
    await service.post(testEvent({ meta: { stream: made }, test: i }))
    await send(`${service.url}/${made}`, { method: 'PROPFIND' })
    await send(`${service.url}/v1/stream-configs/${made}`)
  }
  await askAll(0)
  const before = (await samples(port)).size
  for (let i = 1; i < 50; i++) await askAll(i)
  const after = [...(await samples(port)).keys()]
  assert.ok(!after.some(name => name.includes('made')), String(after.filter(name => name.includes('made'))))
  assert.equal(after.length, before)
})
