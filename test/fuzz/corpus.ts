/** What the fuzzer begins with: schemas, events that they take, and the streams that these go to. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { load } from 'js-yaml'
import { ROOT, WIKIMEDIA } from '../support/service.js'

export type Json = Record<string, unknown>

export interface Corpus {
  /** Valid events; with nothing changed each is answered 201. */
  examples: Json[]
  /** URIs of schemas that are there, good ones and others. */
  schemaUris: string[]
  /** Names of streams that are configured. */
  streams: string[]
  /** Repositories, as `schema_base_uris` takes them. */
  repositories: string[]
  /** The stream configuration. */
  streamConfigs: Json
  /** Whether Wikimedia's examples are among them. */
  real: boolean
}

/** In the events of some requests, and no name of anything: no line of the log may hold the whole of it. */
export const SECRET = `fuzz secret ${'0123456789abcdef'.repeat(16)}`

const text = { type: 'string', maxLength: 10_000 }
const meta = {
  type: 'object',
  required: ['stream'],
  properties: {
    stream: text,
    dt: { ...text, maxLength: 128, format: 'date-time' },
    id: text,
    domain: text,
    request_id: text,
    uri: { ...text, format: 'uri-reference' },
  },
}

/** Of every kind of value, each bounded as production's are. */
const WIDE = {
  additionalProperties: false,
  required: ['$schema', 'meta', 'name'],
  properties: {
    $schema: text,
    meta,
    name: { ...text, pattern: '^[a-z]+(?:-[a-z]+)*$', maxLength: 100 },
    count: { type: 'integer', minimum: 0, maximum: 2 ** 53 },
    ratio: { type: 'number', exclusiveMinimum: 0, multipleOf: 0.5 },
    kind: { enum: ['a', 'b', null, 7] },
    flag: { type: ['boolean', 'null'] },
    tags: { type: 'array', maxItems: 100, uniqueItems: true, items: { type: 'string', maxLength: 50 } },
    pair: { type: 'array', items: [{ type: 'string' }, { type: 'integer' }], additionalItems: false },
    map: { type: 'object', additionalProperties: { type: 'string' } },
    numbers: { type: 'object', additionalProperties: { type: 'number' }, propertyNames: { maxLength: 20 } },
    either: { oneOf: [{ type: 'string', maxLength: 10 }, { type: 'integer' }] },
    tree: { $ref: '#/definitions/node' },
    http: {
      type: 'object',
      properties: {
        client_ip: text,
        method: text,
        request_headers: { type: 'object', additionalProperties: { type: 'string' } },
      },
    },
    'a.b': { type: 'integer', default: 3 },
  },
  definitions: {
    node: {
      type: 'object',
      properties: {
        value: { type: 'integer' },
        children: { type: 'array', maxItems: 50, items: { $ref: '#/definitions/node' } },
      },
    },
  },
}
const EXPERIMENT = {
  properties: {
    $schema: text,
    meta,
    experiment: {
      type: 'object',
      properties: { enrolled: text, assigned: text, subject_id: text },
    },
  },
}
const TIMED = {
  properties: { $schema: text, meta: { type: 'object', properties: { stream: text, dt: text } } },
}
const KEYED = { properties: { $schema: text, meta, wiki: text, page: { type: 'object' } } }

const OWN: Record<string, object> = {
  'fuzz/wide': WIDE,
  'fuzz/experiment': EXPERIMENT,
  'fuzz/timed': TIMED,
  'fuzz/keyed': KEYED,
  'fuzz/insecure': { properties: { a: { type: 'string', pattern: '^(a+)+$' } } },
  'fuzz/broken': { type: 'nonsense' },
  'fuzz/endless': { allOf: [{ $ref: '#' }] },
  'fuzz/lost': { properties: { a: { $ref: '/no/such/1.0.0' } } },
}

const EXAMPLES: Json[] = [
  {
    $schema: '/fuzz/wide/1.0.0',
    meta: { stream: 'fuzz.wide', dt: '2026-01-01T00:00:00Z', domain: 'fuzz.example.org', uri: '/a|b?c=é' },
    name: 'a-name',
    count: 7,
    ratio: 1.5,
    kind: 'b',
    flag: null,
    tags: ['one', 'two', '\u{1f600}'],
    pair: ['x', 1],
    map: { one: 'ключ', 'a key': '\u0000\u001b[31m' },
    numbers: { pi: 3.14, big: 9007199254740991, small: 5e-324 },
    either: 12,
    tree: { value: 1, children: [{ value: 2, children: [{ value: 3 }] }] },
    http: { method: 'POST' },
  },
  { $schema: '/fuzz/wide/1.0.0', meta: { stream: 'fuzz.wide' }, name: 'small' },
  { $schema: '/fuzz/timed/1.0.0', meta: { stream: 'fuzz.timed', dt: '2026-01-01T00:00:00Z' } },
  { $schema: '/fuzz/keyed/1.0.0', meta: { stream: 'fuzz.keyed' }, wiki: 'enwiki', page: { id: 7 } },
  { $schema: '/fuzz/experiment/1.0.0', meta: { stream: 'fuzz.plain' } },
]

/** Makes the corpus; the fuzzer's own schemas are written into `folder`. */
export function makeCorpus(folder: string): Corpus {
  const corpus: Corpus = {
    examples: [...EXAMPLES],
    schemaUris: [],
    streams: [],
    repositories: [folder],
    streamConfigs: {
      'fuzz.misconfigured': { schema_title: 'test/event', message_key_fields: 7 },
      'fuzz.untitled': {},
      'fuzz.keyed': { schema_title: 'fuzz/keyed', message_key_fields: { wiki: 'wiki', page: 'page.id' } },
      'fuzz.experiment': {
        schema_title: 'fuzz/experiment',
        producers: { eventgate: { use_edge_uniques: true } },
      },
      'fuzz.plain': { schema_title: 'fuzz/experiment' },
      'fuzz.errors': { schema_title: 'error' },
      '/^fuzz\\.any\\..+/': { schema_title: 'test/event' },
      ...Object.fromEntries(
        Object.keys(OWN).map(title => [title.replace('/', '.'), { schema_title: title }]),
      ),
    },
    real: false,
  }
  // Over what the titles alone would give.
  Object.assign(corpus.streamConfigs, {
    'fuzz.keyed': { schema_title: 'fuzz/keyed', message_key_fields: { wiki: 'wiki', page: 'page.id' } },
    'fuzz.experiment': {
      schema_title: 'fuzz/experiment',
      producers: { eventgate: { use_edge_uniques: true } },
    },
  })
  for (const [title, schema] of Object.entries(OWN)) {
    const uri = `/${title}/1.0.0`
    mkdirSync(join(folder, title), { recursive: true })
    const whole = { title, $id: uri, type: 'object', ...schema }
    writeFileSync(join(folder, `${title}/1.0.0.yaml`), JSON.stringify(whole))
    corpus.schemaUris.push(uri)
  }
  addRepository(corpus, join(ROOT, 'schemas'))
  const real = join(WIKIMEDIA, 'schemas-event-primary')
  if (existsSync(real)) {
    addRepository(corpus, real)
    corpus.repositories.push(real)
    corpus.real = true
  }
  corpus.streams = Object.keys(corpus.streamConfigs).filter(name => !name.startsWith('/'))
  corpus.streams.push('fuzz.any.one', 'fuzz.any.two')
  return corpus
}

/** A schema's examples, each in a stream that takes it; of a schema without any, none. */
function addRepository(corpus: Corpus, folder: string): void {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file =>
    /\/\d+\.\d+\.\d+\.yaml$/.test(file),
  )
  for (const file of files) {
    const uri = `/${file.replace(/\.yaml$/, '')}`
    corpus.schemaUris.push(uri, uri.replace(/[^/]*$/, 'latest'))
    if (file.startsWith('fragment/')) continue
    const { title, examples = [] } = load(readFileSync(join(folder, file), 'utf8')) as {
      title?: string
      examples?: Json[]
    }
    if (title === undefined) continue
    const stream = `fuzz.of.${dirname(file).replaceAll('/', '.')}.${file.match(/\/(\d+)/)?.[1]}`
    corpus.streamConfigs[stream] = { schema_title: title }
    for (const example of examples)
      corpus.examples.push({ ...example, $schema: uri, meta: { ...(example.meta as Json), stream } })
  }
}
