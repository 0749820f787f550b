/** Hostile JSON: events that were good, and texts that are nearly JSON. */
import { type Corpus, type Json, SECRET } from './corpus.js'
import type { Random } from './random.js'

/** Text that stands in a value for JSON that `JSON.stringify` would never write. */
class Raw {
  constructor(readonly text: string) {}
}

/** Texts that mean something to somebody. */
export const STRINGS = [
  ...['', ' ', '\u0000', '\u001b[31mred\u001b[0m', 'a\r\nx-injected: 1', '\n{"level":50,"msg":"injected"}\n'],
  ...['\u2028', '\ud800', '\udfff\ud800', '\ufeff', '\u009b1m', '\u007f', '%00', '%0d%0ax-injected:%201'],
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'null', 'undefined', 'NaN'],
  ...['$(jndi:ldap)', '{{7*7}}', '<script>alert(1)</script>', "'; DROP TABLE x; --", '../../x'],
  ...[
    '2026-02-30T25:61:61Z',
    '99999999-01-01',
    '1969-12-31T23:59:59Z',
    '2026-01-01',
    '+275760-09-13T00:00:00Z',
  ],
  ...['a'.repeat(300), 'é'.repeat(200), '\u{1f600}'.repeat(100), SECRET],
]

export const SCHEMA_URIS = [
  ...['/../../../../etc/passwd', '../test/event/1.0.0', '/test/../test/event/1.0.0', '/test/./event/1.0.0'],
  ...[
    '/%2e%2e/%2e%2e/etc/passwd',
    '/%252e%252e/%252e%252e/etc/passwd',
    '/..%2f..%2fetc/passwd',
    '/test/event',
  ],
  ...['\\..\\..\\etc\\passwd', '/test\\event\\1.0.0', '/test/event/1.0.0\u0000.yaml', '/test/event/1.0.0%00'],
  ...[
    '//127.0.0.1/test/event/1.0.0',
    '///etc/passwd',
    'http://127.0.0.1:1/x',
    'https://127.0.0.1/x',
    'HTTP://x/',
  ],
  ...[
    'file:///etc/passwd',
    'file:/etc/passwd',
    'FILE:///etc/passwd',
    'data:application/json,{}',
    'ftp://x/y',
  ],
  ...[
    'http://json-schema.org/draft-07/schema#',
    'https://json-schema.org/draft-07/schema#',
    '#',
    '/#',
    '?',
    '/',
  ],
  ...[
    '/test/event/1.0.0#',
    '/test/event/1.0.0#/properties/test',
    '/test/event/1.0.0?x=y',
    '/test/event/1.0.0/',
  ],
  ...[
    '/test//event/1.0.0',
    ' /test/event/1.0.0',
    '/test/event/1.0.0\n',
    '/test/event/latest',
    '/test/event/1.0',
  ],
  ...['__proto__', '/__proto__', '/constructor/1.0.0', 'toString', '/unavailable/a/1.0.0', '/huge/1.0.0'],
  ...[
    '/redirected/1.0.0',
    '/rubbish/1.0.0',
    `/${'a'.repeat(600)}`,
    `/${'a/'.repeat(250)}1.0.0`,
    '/.git/config',
  ],
  ...['/dev/zero', '/proc/self/environ', '/package.json', '/fuzz/insecure/1.0.0', '/fuzz/broken/1.0.0'],
  ...['/fuzz/endless/1.0.0', '/fuzz/lost/1.0.0', 'test/event/1.0.0'],
]

export const STREAMS = [
  ...[
    'a b',
    'a\u0000b',
    'a\nb',
    'a/b',
    '../x',
    '.',
    '..',
    'a'.repeat(249),
    'a'.repeat(250),
    'é',
    '\u001b[2J',
    'a%2fb',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'fuzz.unknown',
    'fuzz.any.',
    'fuzz.any.\u0007',
    'fuzz.misconfigured',
  ],
  ...[
    'fuzz.untitled',
    'fuzz.keyed',
    'fuzz.experiment',
    'fuzz.errors',
    '/^fuzz\\.any\\..+/',
    '{"injected":"x"}',
  ],
]

const NUMBERS = [
  ...[
    '1e400',
    '-1e400',
    '12345678901234567890',
    '-9007199254740993',
    '1E+2',
    '0.1e-400',
    '-0',
    '-0.0',
    '1e-7',
  ],
  ...[
    '123456789012345678901234567890e-10',
    '1.0000000000000000000000000000001',
    '9007199254740992',
    '5e-324',
  ],
  ...[`1${'0'.repeat(400)}`, `0.${'0'.repeat(400)}1`, `${'9'.repeat(5000)}e-5000`],
]

const KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  '',
  ' ',
  'a.b',
  '$ref',
  '$id',
  'toString',
  '0',
  '-1',
  '\u0000',
  '\ud800',
  "it's",
  'x\r\ninjected: 1',
]

/** A good event as it is, with a time and a name of its own. */
export function example(random: Random, corpus: Corpus): Json {
  return random.pick(corpus.examples)
}

/** A good event with some of it changed. */
export function mutant(random: Random, corpus: Corpus): string {
  const event = structuredClone(example(random, corpus))
  const root = { event: event as unknown }
  for (let left = 1 + random.int(4); left > 0; left--) mutate(random, root)
  return write(root.event)
}

/** One change at one place, which may be anywhere in it. */
function mutate(random: Random, root: Json): void {
  let parent = root
  let key = 'event'
  for (;;) {
    const below: unknown = parent[key]
    if (typeof below !== 'object' || below === null || below instanceof Raw) break
    const keys: string[] = Object.keys(below)
    if (keys.length === 0 || random.chance(0.25)) break
    parent = below as Json
    key = random.pick(keys)
  }
  const value = parent[key]
  if (random.chance(0.15)) {
    if (Array.isArray(parent)) parent.splice(Number(key), 1)
    else delete parent[key]
  } else if (random.chance(0.2) && typeof value === 'object' && value !== null && !(value instanceof Raw)) {
    define(value, random)
  } else {
    parent[key] = instead(random, value)
  }
}

/** What may stand in the place of a value. */
function instead(random: Random, value: unknown): unknown {
  return random.weighed<() => unknown>([
    [4, () => scalar(random)],
    [2, () => [value]],
    [1, () => ({ [random.pick(KEYS)]: value })],
    [2, () => new Raw(random.pick(NUMBERS))],
    [1, () => new Raw(nested(random))],
    [1, () => 'x'.repeat(10 ** (1 + random.int(5)))],
    [1, () => Array.from({ length: random.int(3000) }, () => random.pick([1, '', null, {}]))],
    [1, () => Object.fromEntries(Array.from({ length: random.int(2000) }, (_, i) => [`k${i}`, i]))],
    [1, () => new Raw(`{"a":1,"a":${JSON.stringify(random.pick(STRINGS))},"a":{}}`)],
    [1, () => new Raw(random.pick(['"\\ud800"', '"\\u0000"', '"\\udc00\\ud800x"', '"\\/\\b\\f"']))],
  ])()
}

function define(value: object, random: Random): void {
  // As JSON.parse does it: `__proto__` is a name like any other.
  Object.defineProperty(value, random.pick([...KEYS, ...STRINGS]), {
    value: scalar(random),
    enumerable: true,
    configurable: true,
    writable: true,
  })
}

function scalar(random: Random): unknown {
  const others = [null, true, false, 0, -1, 1.5, 2 ** 53, 1e21, [], {}, [[]], [null], { a: {} }]
  return random.chance(0.5) ? random.pick(STRINGS) : random.pick(others)
}

function nested(random: Random): string {
  const depth = random.pick([50, 400, 499, 501, 1000, 5000, 20_000])
  const [open, close] = random.pick([
    ['[', ']'],
    ['{"a":', '}'],
    ['[{"":', '}]'],
  ] as const)
  return `${open.repeat(depth)}1${close.repeat(depth)}`
}

/** A good event whose schema and stream are not. */
export function misnamed(random: Random, corpus: Corpus): string {
  const event = structuredClone(example(random, corpus))
  const schema = random.weighed<() => unknown>([
    [3, () => random.pick(SCHEMA_URIS)],
    [2, () => random.pick(corpus.schemaUris)],
    [1, () => `/made/up/${random.int(1e9)}`],
    [1, () => random.pick(STRINGS)],
    [1, () => scalar(random)],
    [3, () => event.$schema],
  ])()
  const stream = random.weighed<() => unknown>([
    [2, () => random.pick(STREAMS)],
    [2, () => random.pick(corpus.streams)],
    [1, () => `fuzz.any.${random.int(1e9)}`],
    [1, () => `made.up.${random.int(1e9)}`],
    [1, () => scalar(random)],
    [2, () => (event.meta as Json)?.stream],
  ])()
  return write({ ...event, $schema: schema, meta: { ...(event.meta as Json), stream } })
}

/** Events that are refused for one reason each, which has a code of its own. */
export function refused(random: Random): string {
  const of = (title: string, stream: string, more: object, meta: object = {}) =>
    write({ $schema: `/${title}/1.0.0`, meta: { stream, ...meta }, ...more })
  return random.pick([
    () => of('fuzz/timed', 'fuzz.timed', {}, { dt: random.pick(['yesterday', '1960-01-01', '7', '']) }),
    () => of('fuzz/keyed', 'fuzz.keyed', { wiki: null }),
    () => of('fuzz/keyed', 'fuzz.keyed', { wiki: 'enwiki' }),
    () => of('fuzz/experiment', 'fuzz.experiment', { experiment: { enrolled: 'e', assigned: 'a' } }),
    () => of('fuzz/experiment', 'fuzz.plain', { experiment: { enrolled: 'e' } }),
    () => of('test/event', 'fuzz.misconfigured', {}),
    () => of('test/event', 'fuzz.untitled', {}),
    () => of('test/event', 'made.up', {}),
    () => of('unavailable/x', 'fuzz.any.one', {}),
    () => of('test/event', 'a b', {}),
    () => of('test/event', 'fuzz.any.one', { test: 7 }),
    () => write({ $schema: '/test/event/1.0.0' }),
    () => write({ meta: { stream: 'fuzz.any.one' } }),
  ])()
}

/** JSON of a value, with what stands in it raw. */
export function write(value: unknown): string {
  const raw: string[] = []
  const text = JSON.stringify(value, (_key, item) => {
    if (!(item instanceof Raw)) return item
    raw.push(item.text)
    return `@raw ${raw.length - 1}@`
  })
  return raw.length === 0 ? text : text.replace(/"@raw (\d+)@"/g, (_, index) => raw[Number(index)] as string)
}

/** Bytes that begin as good JSON. */
export function nearJson(random: Random, corpus: Corpus): Buffer {
  const bytes = Buffer.from(write(example(random, corpus)))
  const at = random.int(bytes.length)
  const with_ = (insert: Buffer | string) =>
    Buffer.concat([bytes.subarray(0, at), Buffer.from(insert), bytes.subarray(at)])
  return random.pick([
    () => bytes.subarray(0, at),
    () => Buffer.concat([bytes, bytes]),
    () =>
      Buffer.concat([bytes, Buffer.from(random.pick(['\n', ' ', '\u0000', ',', '}', ']', '\ufeff', '//']))]),
    () => Buffer.concat([Buffer.from('\ufeff'), bytes]),
    () => Buffer.concat([Buffer.from('\ufeff\ufeff'), bytes]),
    () => Buffer.from(bytes.toString(), 'utf16le'),
    () => with_(Buffer.from([random.pick([0xff, 0xc0, 0xed, 0x80, 0xf8])])),
    () => with_(Buffer.from([0xed, 0xa0, 0x80])),
    () =>
      with_(random.pick(['"', '\\', '\u0000', '{', '[', '}', ',', ':', '\u2028', '/*x*/', "'", '1e', 'NaN'])),
    () => {
      const copy = Buffer.from(bytes)
      for (let i = 0; i < 1 + random.int(5); i++) copy[random.int(copy.length)] = random.int(256)
      return copy
    },
    () => random.bytes(random.int(200)),
    () =>
      Buffer.from(
        random.pick([
          '',
          ' ',
          '[]',
          '{}',
          'null',
          '1',
          '"x"',
          'true',
          '[[]]',
          '[null]',
          '[1,2]',
          '{"a"',
          '[,]',
        ]),
      ),
    () => Buffer.from(nested(random)),
    () => Buffer.from(`${'['.repeat(random.pick([10, 1000, 100_000]))}`),
    () =>
      Buffer.from(
        `[${Array.from({ length: random.int(500) }, () => random.pick(['{}', '1', 'null', '[]', '""'])).join(',')}]`,
      ),
  ])()
}

/** Few bytes a value: what a small body may cost. */
export const WIDE_BODIES: Record<string, (bytes: number) => string> = {
  'empty objects': bytes => repeated('{}', bytes),
  'empty arrays': bytes => repeated('[]', bytes),
  'empty arrays in an event': bytes => `{"a":${repeated('[]', bytes)}}`,
  'empty objects in an event': bytes => `{"a":${repeated('{}', bytes)}}`,
  'numbers in an event': bytes => `{"a":${repeated('1', bytes)}}`,
  'decimals in an event': bytes => `{"a":${repeated('.5', bytes).replaceAll('.5', '0.5')}}`,
  'texts in an event': bytes => `{"a":${repeated('""', bytes)}}`,
  'different texts in an event': bytes => `{"a":[${numbered(bytes, i => `"${i.toString(36)}"`)}]}`,
  'different keys in an event': bytes => `{"a":{${numbered(bytes, i => `"${i.toString(36)}":1`)}}}`,
  'integer keys in an event': bytes => `{"a":{${numbered(bytes, i => `"${i * 7}":1`)}}}`,
  'one key again and again': bytes => `{${repeated('"a":1', bytes).slice(1, -1)}}`,
  'inexact numbers': bytes => repeated('12345678901234567890', bytes),
  'inexact numbers in an event': bytes => `{"a":${repeated('12345678901234567890', bytes)}}`,
  'one long text': bytes => `{"a":"${'x'.repeat(bytes)}"}`,
  'escapes in a text': bytes => `{"a":"${'\\\\'.repeat(bytes / 2)}"}`,
  'quotes in a text': bytes => `{"a":"${'\\"'.repeat(bytes / 2)}", "b": 12345678901234567890}`,
  spaces: bytes => `{"a":1${' '.repeat(bytes)}}`,
  'a number of many digits': bytes => `{"a":${'1'.repeat(bytes)}}`,
  'a number of many zeros': bytes => `{"a":1${'0'.repeat(bytes / 2)}.${'0'.repeat(bytes / 2)}}`,
  'open brackets': bytes => '['.repeat(bytes),
  deep: bytes => `${'['.repeat(bytes / 2)}${']'.repeat(bytes / 2)}`,
  'invalid events': bytes => repeated('{"$schema":"/fuzz/wide/1.0.0","meta":{"stream":"fuzz.wide"}}', bytes),
  'events of unknown schemas': bytes =>
    `[${numbered(bytes, i => `{"$schema":"/no/${i.toString(36)}","meta":{"stream":"a"}}`)}]`,
  'events of unknown streams': bytes =>
    `[${numbered(bytes, i => `{"$schema":"/test/event/1.0.0","meta":{"stream":"s${i.toString(36)}"}}`)}]`,
  'wrong map values': bytes =>
    `{"$schema":"/fuzz/wide/1.0.0","meta":{"stream":"fuzz.wide"},"name":"a","map":{${numbered(bytes, i => `"${i.toString(36)}":1`)}}}`,
  'wrong tags': bytes =>
    `{"$schema":"/fuzz/wide/1.0.0","meta":{"stream":"fuzz.wide"},"name":"a","tags":[${numbered(bytes, i => `"${i.toString(36)}"`)}]}`,
  'a wide tree': bytes =>
    `{"$schema":"/fuzz/wide/1.0.0","meta":{"stream":"fuzz.wide"},"name":"a","tree":{"children":${repeated('{"value":"x"}', bytes)}}}`,
  'additional properties': bytes =>
    `{"$schema":"/fuzz/wide/1.0.0","meta":{"stream":"fuzz.wide"},"name":"a",${numbered(bytes, i => `"${i.toString(36)}":1`)}}`,
  'a long pattern': bytes =>
    `{"$schema":"/fuzz/wide/1.0.0","meta":{"stream":"fuzz.wide"},"name":"${'a-'.repeat(bytes / 2)}"}`,
  'a long uri': bytes =>
    `{"$schema":"/fuzz/wide/1.0.0","meta":{"stream":"fuzz.wide","uri":"${'%'.repeat(bytes)}"},"name":"a"}`,
  'a long time': bytes =>
    `{"$schema":"/fuzz/wide/1.0.0","meta":{"stream":"fuzz.wide","dt":"${'1'.repeat(bytes)}"},"name":"a"}`,
  'good events': bytes =>
    repeated('{"$schema":"/fuzz/wide/1.0.0","meta":{"stream":"fuzz.wide"},"name":"a"}', bytes),
  'a good event with a wide map': bytes =>
    `{"$schema":"/fuzz/wide/1.0.0","meta":{"stream":"fuzz.wide"},"name":"a","map":{${numbered(bytes, i => `"${i.toString(36)}":""`)}}}`,
}

function repeated(item: string, bytes: number): string {
  return `[${`${item},`.repeat(Math.floor(bytes / (item.length + 1)))}${item}]`
}

function numbered(bytes: number, item: (i: number) => string): string {
  const items: string[] = []
  for (let i = 0, length = 0; length < bytes; i++) {
    const next = item(i)
    items.push(next)
    length += next.length + 1
  }
  return items.join(',')
}
