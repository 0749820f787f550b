/** Requests by number: each is made from the seed and its number alone. */
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import type { Corpus } from './corpus.js'
import { example, misnamed, mutant, nearJson, refused, STREAMS, WIDE_BODIES, write } from './json.js'
import { Random } from './random.js'
import type { Piece } from './wire.js'

export interface Shape {
  /** The name of the mutation, for the report. */
  kind: string
  pieces: Piece[]
  method: string
  /** Statuses that it may get; any if it is not said. */
  status?: readonly number[]
  /**
   * Set if it has a connection of its own: the number of answers, and what the client does after it has sent
   * everything. Otherwise it gets exactly one answer, and the connection stays open.
   */
  own?: { least: number; most: number; after: 'wait' | 'end' | 'abort' }
  /** Events that may be stored although no answer said so. */
  unheard?: number
}

type Header = readonly [name: string, value: string]

interface Parts {
  kind: string
  method?: string
  path?: string
  version?: string
  headers?: readonly Header[]
  body?: Buffer | string
  /** How the end of the body is told. */
  framing?: 'length' | 'chunked' | 'none'
  status?: readonly number[]
}

const JSON_TYPE: Header = ['content-type', 'application/json']

/** The bytes of a request as they should be, for whatever stands in it. */
function bytesOf(
  random: Random,
  {
    method = 'POST',
    path = '/v1/events',
    version = '1.1',
    headers = [JSON_TYPE],
    body = '',
    framing = 'length',
  }: Omit<Parts, 'kind'>,
): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  const lines = [['host', 'fuzz.example.org'] as const, ...headers].map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  if (framing === 'length') lines.push(`content-length: ${bytes.length}\r\n`)
  if (framing === 'chunked') lines.push('transfer-encoding: chunked\r\n')
  const head = Buffer.from(`${method} ${path} HTTP/${version}\r\n${lines.join('')}\r\n`, 'latin1')
  return Buffer.concat([head, framing === 'chunked' ? chunked(random, bytes) : bytes])
}

function chunked(random: Random, bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  const extension = random.pick(['', '', ';a=b', ';x="injected"'])
  for (let at = 0; at < bytes.length; ) {
    const size = Math.max(1, random.int(Math.max(2, bytes.length)))
    const chunk = bytes.subarray(at, at + size)
    parts.push(Buffer.from(`${chunk.length.toString(16)}${extension}\r\n`), chunk, Buffer.from('\r\n'))
    at += size
  }
  parts.push(
    Buffer.from(random.pick(['0\r\n\r\n', '0\r\n\r\n', '000\r\n\r\n', '0\r\nx-trailer: injected\r\n\r\n'])),
  )
  return Buffer.concat(parts)
}

function whole(random: Random, { kind, status, ...parts }: Parts): Shape {
  const shape: Shape = { kind, pieces: [bytesOf(random, parts)], method: parts.method ?? 'POST' }
  if (status) shape.status = status
  return shape
}

type Make = (random: Random, corpus: Corpus) => Shape

function events(random: Random, one: () => string): string {
  if (random.chance(0.7)) return one()
  return `[${Array.from({ length: 1 + random.int(8) }, one).join(',')}]`
}

/** How a body may be coded, so that it is still taken. */
const CODINGS: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [
  ['gzip', bytes => gzipSync(bytes)],
  ['GZIP', bytes => gzipSync(bytes)],
  ['x-gzip', bytes => gzipSync(bytes)],
  ['deflate', bytes => deflateSync(bytes)],
  ['deflate', bytes => deflateRawSync(bytes)],
  ['br', bytes => brotliCompressSync(bytes)],
  ['identity', bytes => bytes],
]

/** A good request. Sent between the others to see that the service still does its work. */
export function goodShape(random: Random, corpus: Corpus): Shape {
  return whole(random, { kind: 'good', body: write(example(random, corpus)), status: [201] })
}

const good: Make = (random, corpus) => {
  const body = Buffer.from(events(random, () => write(example(random, corpus))))
  const type = random.pick([
    ...[
      'application/json',
      'application/json; charset=utf-8',
      'application/json;charset="UTF-8"',
      'text/plain',
    ],
    ...['Application/JSON; charset=utf8', 'application/reports+json', 'text/plain;charset=UTF-8'],
  ])
  const [coding, encode] = random.pick(CODINGS)
  const coded = random.chance(0.3)
  return whole(random, {
    kind: 'good',
    path: random.pick([
      '/v1/events',
      '/v2/events',
      '/v1/events?',
      '/v1/events?hasty=false',
      '/v1/events?x=y',
    ]),
    headers: [['content-type', type], ...(coded ? [['content-encoding', coding] as const] : [])],
    body: coded ? encode(body) : body,
    framing: random.pick(['length', 'length', 'chunked']),
    status: [201],
  })
}

const hasty: Make = (random, corpus) => ({
  ...whole(random, {
    kind: 'hasty',
    path: random.pick(['/v1/events?hasty', '/v2/events?hasty=true', '/v1/events?hasty=1']),
    body: events(random, () =>
      random.chance(0.5) ? write(example(random, corpus)) : mutant(random, corpus),
    ),
  }),
  unheard: 8,
})

const mutated: Make = (random, corpus) =>
  whole(random, {
    kind: 'mutated event',
    body: events(random, () =>
      random.chance(0.8) ? mutant(random, corpus) : write(example(random, corpus)),
    ),
    framing: random.pick(['length', 'length', 'chunked']),
  })

const names: Make = (random, corpus) =>
  whole(random, { kind: 'schema or stream', body: events(random, () => misnamed(random, corpus)) })

/** More schemas that no file has than one request may have fetched. */
const manyNames: Make = random =>
  whole(random, {
    kind: 'many schemas',
    body: `[${Array.from({ length: 17 + random.int(20) }, () => `{"$schema":"/made/up/${random.int(1e9)}"}`).join()}]`,
  })

const coded: Make = random =>
  whole(random, {
    kind: 'reason of its own',
    body: events(random, () => refused(random)),
    headers: [
      JSON_TYPE,
      ['user-agent', random.pick(['fuzz', 'denied/1.0', 'x'])],
      [
        'x-experiment-enrollments',
        random.pick(['e=a/s', 'e=b/s', '', ';;', 'e=a/injected\t', 'x'.repeat(3000)]),
      ],
    ],
  })

const text: Make = (random, corpus) => whole(random, { kind: 'nearly JSON', body: nearJson(random, corpus) })

/** Headers that reach events, logs, or decisions. No control characters: those are no HTTP. */
const headers: Make = (random, corpus) => {
  const value = () =>
    random.pick([
      ...[
        '',
        '%0d%0ax-injected: 1',
        'x\tinjected',
        '\u00e9\u0080\u009b31m\u00ff',
        'a'.repeat(5000),
        '","injected":"',
      ],
      ...[
        '127.0.0.1',
        '::1',
        '::ffff:1.2.3.4',
        '1.2.3.4, 5.6.7.8',
        'fe80::1%injected',
        '999.1.1.1',
        ',',
        '1.2.3.4:80',
      ],
      ...['$(jndi:ldap)', '__proto__', 'e=a/s;e=a/s', 'e=a/s', 'bingbot', 'denied/1.0'],
    ])
  const name = () =>
    random.pick([
      ...[
        'x-request-id',
        'user-agent',
        'x-client-ip',
        'x-forwarded-for',
        'x-experiment-enrollments',
        'origin',
      ],
      ...[
        'referer',
        'cookie',
        'accept',
        'x-request-id',
        '__proto__',
        'constructor',
        'te',
        'connection',
        'accept-encoding',
      ],
    ])
  const many = Array.from({ length: 1 + random.int(4) }, () => [name(), value()] as const).filter(
    // A client that asks for the end gets it; that is tried on connections of their own.
    ([header, said]) => header !== 'connection' || said !== 'close',
  )
  return whole(random, {
    kind: 'headers',
    body: random.chance(0.7) ? write(example(random, corpus)) : mutant(random, corpus),
    headers: [JSON_TYPE, ...many],
  })
}

const types: Make = (random, corpus) => {
  const body = Buffer.from(write(example(random, corpus)))
  const type = random.pick([
    ...[
      'application/json; charset=utf-16',
      'application/xml',
      '',
      'json',
      'application/json; charset=',
      'text/html',
    ],
    ...[
      'application/json, text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      ';',
    ],
    ...[
      'application/json;charset=utf-8;charset=latin1',
      'application/json\u00e9',
      'a'.repeat(2000),
      'text/plain; =',
    ],
  ])
  if (random.chance(0.4))
    return whole(random, { kind: 'content type', headers: type === '' ? [] : [['content-type', type]], body })
  const [, encode] = random.pick(CODINGS)
  const encoded = encode(body)
  const coding = random.pick([
    'gzip',
    'br',
    'deflate',
    'zstd',
    'compress',
    'gzip, gzip',
    '',
    'x',
    'identity',
    'gzip;q=1',
  ])
  const bytes = random.pick([
    () => encoded.subarray(0, random.int(encoded.length)),
    () => encoded,
    () => Buffer.concat([encoded, random.bytes(20)]),
    () => random.bytes(100),
    () => Buffer.alloc(0),
    () => {
      const copy = Buffer.from(encoded)
      copy[random.int(copy.length)] = random.int(256)
      return copy
    },
  ])()
  return whole(random, {
    kind: 'content coding',
    headers: [JSON_TYPE, ['content-encoding', coding]],
    body: bytes,
  })
}

/** A small body that is a large one: too large, or room for all of it. Rare, for it costs. */
const bomb: Make = random => {
  const size = random.pick([1, 9, 11, 50]) * 1024 * 1024
  const bytes = random.pick([
    () => Buffer.alloc(size, ' '),
    () => Buffer.from(`{"a":"${'x'.repeat(size)}"}`),
    () => Buffer.alloc(size),
  ])()
  const [coding, encode] = random.pick([CODINGS[0], CODINGS[3], CODINGS[5]] as typeof CODINGS)
  const body = encode === CODINGS[5]?.[1] ? brotliCompressSync(bytes, { params: { 1: 1 } }) : encode(bytes)
  return whole(random, { kind: 'bomb', headers: [JSON_TYPE, ['content-encoding', coding]], body })
}

/** Just below what is taken by default. */
export const LARGEST = 10_000_000

export function wideShape(name: string, size: number): Shape {
  const body = WIDE_BODIES[name]?.(size) ?? ''
  return { kind: `width: ${name}, ${size} bytes`, pieces: [bytesOf(new Random(0), { body })], method: 'POST' }
}

const width: Make = random =>
  wideShape(
    random.pick(Object.keys(WIDE_BODIES)),
    random.pick([100_000, 1_000_000, 4 * 1024 * 1024, LARGEST]),
  )

const query: Make = (random, corpus) => {
  const name = random.pick([
    'hasty',
    'schema_uri',
    'stream',
    'stream',
    '%68asty',
    'x',
    '__proto__',
    'hasty[]',
    'HASTY',
    '',
  ])
  const value = random.pick([
    ...[
      '=maybe',
      '=',
      '',
      '=%',
      '=%00',
      '=true&hasty=true',
      '=%0d%0ax-injected:%201',
      '=%ff',
      '=1;2',
      '=..%2f..%2fetc',
    ],
    ...[
      '=/test/event/1.0.0',
      '=fuzz.any.one',
      '=%2F%2Fevil',
      `=${encodeURIComponent(Buffer.from(random.pick(STREAMS).slice(0, 50)).toString())}`,
    ],
  ])
  return {
    ...whole(random, {
      kind: 'query',
      path: `/v1/events?${name}${value}`,
      body: random.chance(0.5) ? write(example(random, corpus)) : '{"test":"x"}',
    }),
    unheard: 1,
  }
}

const routes: Make = random => {
  const path = random.pick([
    ...[
      '/',
      '/?spec',
      '/?doc',
      '/robots.txt',
      '/_info',
      '/_info/name',
      '/_info/home',
      '/_info/x',
      '/metrics',
      '/v1',
    ],
    ...[
      '/v1/stream-configs',
      '/v1/stream-configs/fuzz.any.x,__proto__',
      '/v1/stream-configs/constructor|toString',
    ],
    ...[
      '/v1/stream-configs/%',
      '/v1/stream-configs/%00',
      '/v1/stream-configs/..%2f..%2fetc',
      '/v1/_test/events',
      '//',
    ],
    ...[
      '/v1/events/',
      '/v1/events/x',
      '/V1/EVENTS',
      '/v1//events',
      '/../etc/passwd',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/v3/events',
    ],
    ...[
      '/%0d%0ax-injected:%201',
      '/\u00e9',
      '/%c3%28',
      '/?__proto__[x]=1',
      '/_info?x=%',
      '/_info/live',
      '/_info/ready',
    ],
    ...[
      '/_info/health',
      '/_info/startup',
      '/?spec&spec[]=1',
      '/v1/events;x=y',
      '/v1/events%3fhasty',
      '/v1/events%00',
    ],
  ])
  const method = random.pick([
    'GET',
    'GET',
    'HEAD',
    'POST',
    'PUT',
    'DELETE',
    'OPTIONS',
    'PATCH',
    'TRACE',
    'PROPFIND',
    'PURGE',
    'SEARCH',
    'M-SEARCH',
  ])
  return whole(random, {
    kind: 'route',
    method,
    path,
    headers: random.chance(0.5) ? [] : [JSON_TYPE],
    body: random.chance(0.3) ? '{}' : '',
  })
}

const expect: Make = (random, corpus) => {
  const [value, status] = random.pick([
    ['100-continue', [201]],
    ['100-Continue', [201]],
    ['banana', [417]],
    ['', undefined],
    ['100-continue, injected', undefined],
  ] as const)
  const parts: Parts = {
    kind: 'expectation',
    headers: [JSON_TYPE, ['expect', value]],
    body: write(example(random, corpus)),
  }
  if (status) parts.status = status
  return whole(random, parts)
}

const tooLarge: Make = (random, corpus) => {
  const body = `${write(example(random, corpus))}${' '.repeat(10 * 1024 * 1024)}`
  return whole(random, {
    kind: 'larger than is taken',
    body,
    framing: random.pick(['length', 'chunked']),
    status: [413],
  })
}

// Connections of their own: what no client would send.

/** What the machinery of HTTP refuses: one answer, and the end. */
const REFUSED: readonly ((random: Random, goodRequest: string) => Buffer)[] = [
  random => random.bytes(1 + random.int(300)),
  () => Buffer.from('16030100c8010000c40303', 'hex'),
  () => Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  () => Buffer.from('GET /\r\n\r\n'),
  () => Buffer.from('\u0000\u0000\u0000\u0000\r\n\r\n'),
  () => Buffer.from('EVENT /v1/events HTTP/1.1\r\nhost: x\r\n\r\n'),
  () => Buffer.from('get /_info HTTP/1.1\r\nhost: x\r\n\r\n'),
  () => Buffer.from('GET /_info HTTP/9.9\r\nhost: x\r\n\r\n'),
  () => Buffer.from('GET /_info HTTP/1.1\r\nhost x\r\n\r\n'),
  () => Buffer.from('GET /_info HTTP/1.1\r\nhost: x\r\n y: folded\r\nx y: 1\r\n\r\n'),
  () => Buffer.from('GET /_info HTTP/1.1\r\n: x\r\n\r\n'),
  () => Buffer.from('GET /_info HTTP/1.1\r\n\r\n'),
  () => Buffer.from('GET /a b HTTP/1.1\r\nhost: x\r\n\r\n'),
  () => Buffer.from('GET  /_info HTTP/1.1\r\nhost: x\r\n\r\n'),
  () => Buffer.from(`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`),
  () => Buffer.from(`GET /_info HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`),
  () =>
    Buffer.from(
      `GET /_info HTTP/1.1\r\nhost: x\r\n${Array.from({ length: 3000 }, (_, i) => `a${i}: b\r\n`).join('')}\r\n`,
    ),
  random =>
    Buffer.from(
      `POST /v1/events HTTP/1.1\r\nhost: x\r\nx-request-id: a${random.pick(['\n', '\r', '\u0000', '\u0001', '\u007f'])}x-injected: 1\r\ncontent-length: 0\r\n\r\n`,
      'latin1',
    ),
  random =>
    Buffer.from(
      `POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: ${random.pick(['ten', '-1', '+5', '0x5', '5 5', '5,5', '1e1', '99999999999999999999', '٣'])}\r\n\r\nhello`,
    ),
  () =>
    Buffer.from('POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}'),
  (_, request) =>
    Buffer.from(
      `POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${request}`,
    ),
  (_, request) =>
    Buffer.from(
      `POST /v1/events HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n${request}`,
    ),
  (random, request) =>
    Buffer.from(
      `POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: ${random.pick(['xchunked', 'chunked, identity', 'identity', 'chunked;x', '\u000bchunked', '"chunked"', 'chunked\r\ntransfer-encoding: identity'])}\r\n\r\n0\r\n\r\n${request}`,
      'latin1',
    ),
  (random, request) =>
    Buffer.from(
      `POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${random.pick(['zz', '-1', '', '0x2', '2 2', 'fffffffffffffffff', '2\n', ' 2'])}\r\n{}\r\n0\r\n\r\n${request}`,
    ),
  (_, request) =>
    Buffer.from(
      `POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n${request}`,
    ),
]

function own(kind: string, pieces: Piece[], answers: Shape['own'], more: Partial<Shape> = {}): Shape {
  return { kind: `raw: ${kind}`, pieces, method: 'POST', ...(answers && { own: answers }), ...more }
}

const refusedRaw: Make = (random, corpus) => {
  const which = random.int(REFUSED.length)
  const request = bytesOf(random, { body: write(example(random, corpus)) }).toString('latin1')
  const bytes = (REFUSED[which] as (typeof REFUSED)[number])(random, request)
  return own(`no HTTP, number ${which}`, [bytes], { least: 0, most: 1, after: 'end' })
}

const raw: readonly (readonly [number, Make])[] = [
  [10, refusedRaw],
  [
    4,
    (random, corpus) => {
      const count = 2 + random.int(6)
      const requests = Array.from({ length: count }, () =>
        bytesOf(random, {
          body: random.chance(0.5) ? write(example(random, corpus)) : mutant(random, corpus),
        }),
      )
      return own('pipelined', [Buffer.concat(requests)], { least: count, most: count, after: 'end' })
    },
  ],
  [
    2,
    (random, corpus) => {
      const garbage = random.pick([
        Buffer.from('garbage\r\n\r\n'),
        random.bytes(30),
        Buffer.from('\r\n\r\n\r\n'),
        Buffer.from('\u0000'),
      ])
      const request = bytesOf(random, { body: write(example(random, corpus)) })
      return own('rubbish after a request', [Buffer.concat([request, garbage])], {
        least: 1,
        most: 2,
        after: 'end',
      })
    },
  ],
  [
    2,
    (random, corpus) =>
      own(
        'half open',
        [bytesOf(random, { body: write(example(random, corpus)) })],
        { least: 1, most: 1, after: 'end' },
        { status: [201] },
      ),
  ],
  [
    3,
    (random, corpus) => {
      const bytes = bytesOf(random, { body: write(example(random, corpus)) })
      const part = bytes.subarray(0, random.int(bytes.length))
      return own('cut short', [part], { least: 0, most: 1, after: 'end' })
    },
  ],
  [
    3,
    (random, corpus) => {
      const path = random.pick(['/v1/events', '/v1/events?hasty'])
      const bytes = bytesOf(random, {
        path,
        body: write(example(random, corpus)),
        framing: random.pick(['length', 'chunked']),
      })
      const part = bytes.subarray(0, random.int(bytes.length + 1))
      return own('hung up', [part], { least: 0, most: 1, after: 'abort' }, { unheard: 1 })
    },
  ],
  [
    2,
    (random, corpus) => {
      const version = random.pick(['1.0', '1.0', '1.1'])
      const headers = [
        JSON_TYPE,
        ['connection', random.pick(['close', 'keep-alive', 'upgrade', 'close, injected'])] as const,
      ]
      const bytes = bytesOf(random, { version, headers, body: write(example(random, corpus)) })
      return own(`HTTP/${version}`, [bytes], { least: 1, most: 1, after: 'end' })
    },
  ],
  [
    2,
    (random, corpus) => {
      const path = random.pick([
        'http://fuzz.example.org/v1/events',
        'https://evil/v1/events',
        '*',
        'v1/events',
        '//v1/events',
        'http://[::1/v1/events',
        'http://',
        '/v1/events#x',
      ])
      const method = random.pick(['POST', 'GET', 'OPTIONS'])
      return own(
        'target',
        [bytesOf(random, { method, path, body: write(example(random, corpus)) })],
        { least: 0, most: 1, after: 'end' },
        { method },
      )
    },
  ],
  [
    1,
    random => {
      const target = random.pick(['fuzz:443', '127.0.0.1:22', '/'])
      return own('CONNECT', [Buffer.from(`CONNECT ${target} HTTP/1.1\r\nhost: x\r\n\r\n`)], {
        least: 0,
        most: 1,
        after: 'end',
      })
    },
  ],
  [
    1,
    (random, corpus) => {
      const headers = [
        JSON_TYPE,
        ['connection', 'upgrade'] as const,
        ['upgrade', random.pick(['websocket', 'h2c'])] as const,
      ]
      return own('upgrade', [bytesOf(random, { headers, body: write(example(random, corpus)) })], {
        least: 0,
        most: 1,
        after: 'end',
      })
    },
  ],
  [
    2,
    (random, corpus) => {
      const body = write(example(random, corpus))
      const wrong = random.pick([-1, 1, 5, 1000])
      const request = `POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${Math.max(0, Buffer.byteLength(body) + wrong)}\r\n\r\n${body}`
      return own('wrong length', [Buffer.from(request)], { least: 0, most: 2, after: 'end' })
    },
  ],
]

/** Takes seconds: few. */
const slow: readonly Make[] = [
  (random, corpus) => {
    const bytes = bytesOf(random, { body: write(random.pick(corpus.examples.slice(0, 5))) })
    const pieces: Piece[] = []
    const size = Math.ceil(bytes.length / 40)
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size), 10)
    return own('trickle', pieces, { least: 1, most: 1, after: 'end' }, { status: [201] })
  },
  (random, corpus) => {
    const bytes = bytesOf(random, {
      path: random.pick(['/v1/events', '/v1/events?hasty']),
      body: write(example(random, corpus)),
    })
    return own(
      'silence in the body',
      [bytes.subarray(0, -3)],
      { least: 1, most: 1, after: 'wait' },
      { status: [408] },
    )
  },
  () =>
    own(
      'silence in the head',
      [Buffer.from('POST /v1/events HTTP/1.1\r\nhost: x\r\n')],
      { least: 1, most: 1, after: 'wait' },
      { status: [408] },
    ),
]

const MIX: readonly (readonly [number, Make])[] = [
  [190, good],
  [30, hasty],
  [300, mutated],
  [110, names],
  [50, coded],
  [110, text],
  [50, headers],
  [40, types],
  [25, query],
  [30, routes],
  [10, expect],
  [100, (random, corpus) => random.weighed(raw)(random, corpus)],
  [0.4, tooLarge],
  [0.4, bomb],
  [0.6, width],
  [0.6, (random, corpus) => random.pick(slow)(random, corpus)],
  [3, manyNames],
]

/** Every so many requests is a good one: whatever came before, the service does its work. */
const GOOD_EVERY = 50

export function shapeOf(seed: number, n: number, corpus: Corpus): Shape {
  const random = Random.of(seed, n)
  return n % GOOD_EVERY === 0 ? goodShape(random, corpus) : random.weighed(MIX)(random, corpus)
}
