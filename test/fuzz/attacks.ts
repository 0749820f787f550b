/** What hostile clients do. Each attack runs beside bystanders, who are not to notice. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CODINGS,
  crowd,
  exchange,
  MOODS,
  type Mood,
  open,
  type Post,
  READERS,
  type Reader,
  requestOf,
  type Target,
} from './hostile.js'
import { WIDE_BODIES } from './json.js'
import { Random } from './random.js'

export interface Attack {
  name: string
  /** Of the registry behind the files; most attacks do not come so far. */
  mood?: Mood
  /** For how long more is sent. */
  seconds?: number
  /** More of the service's configuration. */
  conf?: object
  /** Whether events go to a broker. */
  kafka?: boolean
  run(target: Target): Promise<unknown>
}

const MB = 1024 * 1024
/** The most that a body may have, with room for what stands around it. */
const LARGEST = 10 * MB - 1000

const list = (item: string, bytes: number) => `[${`${item},`.repeat(bytes / (item.length + 1))}${item}]`
const array = (event: string, count: number) => `[${Array(count).fill(event).join(',')}]`
const event = (schema: string, rest: string) =>
  `{"$schema":"/attack/${schema}/1.0.0","meta":{"stream":"attack"},${rest}}`

/** Schemas of an ordinary kind, and of kinds that cost much. */
const items = (type: string) => ({ type: 'array', items: { type } })
const text = { type: 'string', maxLength: 100 }
const SCHEMAS: Record<string, object> = {
  maps: {
    map: { type: 'object', additionalProperties: items('string') },
    list: items('string'),
    tree: { $ref: '#/definitions/tree' },
  },
  unique: {
    objects: { type: 'array', maxItems: 100_000, uniqueItems: true, items: { type: 'object' } },
    any: { type: 'array', maxItems: 2000, uniqueItems: true },
  },
  enums: {
    list: {
      type: 'array',
      items: {
        anyOf: Array.from({ length: 10 }, (_, i) => ({
          enum: Array.from({ length: 3000 }, (_, j) => ({ kind: i, value: `${j}` })),
        })),
      },
    },
  },
  ways: { tree: { $ref: '#/definitions/ways' } },
  names: {
    map: {
      type: 'object',
      patternProperties: { '^x-[a-z]+$': text, '^[0-9]+$': { type: 'integer' }, '-id$': text },
      propertyNames: { maxLength: 50 },
      additionalProperties: { type: ['string', 'integer'] },
    },
  },
}
const COLD_SCHEMAS = 300

/** Writes the attacks' schemas into a folder. */
export function writeSchemas(folder: string): void {
  const write = (title: string, schema: object) => {
    mkdirSync(join(folder, title), { recursive: true })
    const whole = { title, $id: `/${title}/1.0.0`, type: 'object', ...schema }
    writeFileSync(join(folder, title, '1.0.0'), JSON.stringify(whole))
  }
  const tree = { type: 'object', additionalProperties: { $ref: '#/definitions/tree' } }
  const way = (op: string) => ({
    properties: { child: { $ref: '#/definitions/ways' }, op: { const: op } },
    required: ['op'],
  })
  const ways = { anyOf: [way('x'), way('y')] }
  for (const [name, properties] of Object.entries(SCHEMAS))
    write(`attack/${name}`, { properties, definitions: { tree, ways } })
  const fields = Array.from({ length: 40 }, (_, i) => [
    `field_${i}`,
    { type: 'object', required: ['a'], properties: { a: text, b: { ...text, pattern: '^[a-z]+$' } } },
  ])
  for (let i = 0; i < COLD_SCHEMAS; i++) write(`attack/cold${i}`, { properties: Object.fromEntries(fields) })
}

/** One request again and again, by so many clients. */
function repeated(post: () => Post, connections = 1, pauseMs = 5): Attack['run'] {
  return target => {
    const made = post()
    const bytes = requestOf(made)
    return crowd(target, connections, () => exchange(target, bytes, made.reader), pauseMs)
  }
}

/** Made-up schemas, and values enough to fill a room of 500,000 objects, lists and fields to the last. */
function madeUpSchemas(count: number, random: Random): string {
  const world = random.int(1e9).toString(36)
  const events = Array.from({ length: count }, (_, i) => `{"$schema":"/${world}/${i}"}`)
  return `[${events.join(',')},{"p":${array('{}', 499_996 - 2 * count)}}]`
}

const hog =
  (count: number, hasty: boolean): Attack['run'] =>
  async target => {
    await exchange(target, requestOf({ body: madeUpSchemas(count, target.random), hasty }))
    while (target.going()) await sleep(100)
  }

const LONG_NAMES = (letter: string) =>
  array(event('maps', `"map":{"${letter}${'a'.repeat(60_000)}":${array('1', 20)}}`), 160)
const DEEP_NAMES = () => {
  const open = Array.from({ length: 400 }, (_, i) => `{"${i}${'n'.repeat(145)}":`).join('')
  return array(event('maps', `"tree":${open}1${'}'.repeat(400)}`), 160)
}
const WRONG_LISTS = (events: number) => array(event('maps', `"list":${array('1', 32_000)}`), events)
const EMPTY = array('{}', 50_000)
const objects = (count: number) => Array.from({ length: count }, (_, i) => `{"a":${i}}`).join(',')
const names = (count: number, name: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => `"${name(i)}":${i}`).join(',')
const GOOD = '{"$schema":"/test/event/1.0.0","meta":{"stream":"attack"}}'

/** Sends the beginning of many bodies, and a byte of each now and then. */
const trickle =
  (connections: number, query: string): Attack['run'] =>
  async target => {
    const head = `POST /v1/events${query} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 65536\r\n\r\n{`
    await Promise.all(
      Array.from({ length: connections }, async () => {
        while (target.going()) {
          const socket = await open(target.port)
          if (!socket) {
            await sleep(200)
            continue
          }
          socket.write(head)
          const drip = setInterval(() => socket.write(' '), 3000)
          let answer = ''
          socket.on('data', data => {
            answer += data
          })
          await new Promise<void>(resolve => {
            socket.on('close', () => resolve())
            const look = setInterval(() => {
              if (target.going()) return
              clearInterval(look)
              socket.destroy()
            }, 100)
            socket.on('close', () => clearInterval(look))
          })
          clearInterval(drip)
          target.fate.count(/ (\d+)/.exec(answer)?.[1] ?? 'left')
        }
      }),
    )
  }

/** Several requests in one write; each has a right to its answer. */
async function pipelined(target: Target, count: number): Promise<void> {
  const socket = await open(target.port)
  if (!socket) return target.fate.count('no connection')
  let answers = ''
  socket.on('data', data => {
    answers += data
  })
  const one = requestOf({ body: GOOD }, '')
  socket.write(Buffer.concat(Array(count).fill(one)))
  const stored = () => answers.match(/HTTP\/1\.1 201 /g)?.length ?? 0
  for (let waited = 0; waited < 5000 && stored() < count && !socket.closed; waited += 20) await sleep(20)
  socket.destroy()
  target.fate.count(stored() === count ? 'all answered' : 'not all answered')
  if (stored() < count) target.fate.broken.push(`${count} pipelined requests had ${stored()} answers of 201`)
}

/** A request after which a server may think that no HTTP follows: it has its answer. */
async function odd(target: Target, headers: string): Promise<void> {
  const text = await exchange(target, requestOf({ body: GOOD }, headers))
  if (!/^HTTP\/1\.1 [2-5]/.test(text))
    target.fate.broken.push(`a request with ${JSON.stringify(headers)} had no answer`)
}

/** The registry's first answer is an error with status 200; from then on it has the schema. */
async function hiccup(target: Target): Promise<void> {
  const { registry, random, fate } = target
  while (target.going()) {
    const title = `hiccup${random.int(1e6)}`
    const wrong = `{"$schema":"/${title}/1.0.0","meta":{"stream":"attack"}}`
    const first = await exchange(target, requestOf({ body: wrong }))
    const schema = { title, $id: `/${title}/1.0.0`, type: 'object', required: ['must'] }
    registry.files.set(`/${title}/1.0.0`, JSON.stringify(schema))
    await sleep(200)
    const second = await exchange(target, requestOf({ body: wrong }))
    for (const text of [first, second])
      if (/^HTTP\/1\.1 2/.test(text)) fate.broken.push('an event that its schema refuses was stored')
    await sleep(500)
  }
}

export const ATTACKS: Attack[] = [
  ...(['gzip', 'br', 'plain'] as const).flatMap(coding =>
    [false, true].map(hasty => ({
      name: `an inexact number and five million others, ${coding}${hasty ? ', hasty' : ''}`,
      seconds: 4,
      run: repeated(() => ({ body: `[1e999,${'1,'.repeat(5_200_000)}1]`, coding, hasty }), 1, 200),
    })),
  ),
  {
    name: 'inexact numbers behind long names',
    run: repeated(() => ({
      body: array(`{"${'n'.repeat(60_000)}":{"${'m'.repeat(60_000)}":1e999}}`, 80),
      coding: 'gzip',
    })),
  },
  ...['1', '0.1', 'null', '"ab"', '{}'].map(item => ({
    name: `ten megabytes of ${item}, three at once`,
    seconds: 4,
    run: repeated(() => ({ body: list(item, LARGEST), coding: 'gzip' }), 3, 200),
  })),
  {
    name: 'ten megabytes of short texts in 200 events, four at once',
    run: repeated(() => ({ body: array(event('maps', `"x":${list('"ab"', 49_000)}`), 200) }), 4, 200),
  },
  ...[
    { name: 'wide', letter: 'ł' },
    { name: 'narrow', letter: 'a' },
  ].map(({ name, letter }) => ({
    name: `long names in paths of errors, ${name} characters`,
    run: repeated(() => ({ body: LONG_NAMES(letter), coding: 'gzip' }), 1, 100),
  })),
  {
    name: 'long names in paths of errors, narrow characters, with error events',
    conf: { error_stream: 'attack.error' },
    run: repeated(() => ({ body: LONG_NAMES('a'), coding: 'gzip' }), 1, 100),
  },
  {
    name: 'deep names in paths of errors',
    run: repeated(() => ({ body: DEEP_NAMES(), coding: 'gzip' }), 1, 100),
  },
  {
    name: 'an error event that would be larger than a message',
    kafka: true,
    seconds: 3,
    conf: { error_stream: 'attack.error' },
    run: async target => {
      const wide = event('maps', `"map":{"${'ł'.repeat(60_000)}":${array('1', 20)}}`)
      await crowd(target, 1, () => exchange(target, requestOf({ body: wide })), 500)
      for (const [name, lost] of await target.metrics())
        if (name.startsWith('eventgate_error_events_lost_total') && lost > 0)
          target.fate.broken.push(`${lost} error events were lost: ${name}`)
    },
  },
  { name: 'made-up schemas, hasty', mood: 'missing', seconds: 8, run: hog(19_000, true) },
  { name: 'made-up schemas, hasty, a silent registry', mood: 'silent', seconds: 8, run: hog(19_000, true) },
  { name: 'made-up schemas', mood: 'missing', seconds: 9, run: hog(49_000, false) },
  { name: 'made-up schemas, a silent registry', mood: 'silent', seconds: 9, run: hog(49_000, false) },
  {
    name: 'hundreds of schemas that are there, none in memory',
    run: repeated(() => {
      const all = Array.from({ length: COLD_SCHEMAS }, (_, i) => event(`cold${i}`, '"a":1'))
      return { body: `[${all.join(',')}]` }
    }),
  },
  ...(['never', 'slowly', 'at once'] as const).map(reader => ({
    name: `50,000 empty events, their answer read ${reader}`,
    seconds: reader === 'at once' ? 4 : 11,
    run: repeated(() => ({ body: EMPTY, coding: 'gzip' as const, reader })),
  })),
  {
    name: '12,000 refused events each, of four ordinary clients',
    run: repeated(() => ({ body: array(event('maps', '"list":[1,2],"map":{"a":1}'), 12_000) }), 4),
  },
  {
    name: 'wrong lists of 32,000 in 150 events, hasty, two clients',
    run: repeated(() => ({ body: WRONG_LISTS(150), coding: 'gzip', hasty: true }), 2),
  },
  {
    name: 'wrong lists of 32,000 in 150 events',
    run: repeated(() => ({ body: WRONG_LISTS(150), coding: 'gzip' })),
  },
  {
    name: 'half a million numbers of 17 digits',
    run: repeated(() => ({
      body: `[{"$schema":"/test/event/1.0.0","meta":{"stream":"attack"},"a":${array('20210223205005000', 550_000)}}]`,
      coding: 'gzip',
    })),
  },
  { name: '260 bodies of which a byte comes, hasty', seconds: 6, run: trickle(260, '?hasty=true') },
  { name: '520 bodies of which a byte comes', seconds: 6, run: trickle(520, '') },
  {
    name: '17 and 40 requests in one write',
    seconds: 3,
    run: target => crowd(target, 2, client => pipelined(target, client === 0 ? 17 : 40), 100),
  },
  {
    name: 'requests to upgrade to what is not HTTP/1',
    seconds: 3,
    run: target =>
      crowd(target, 3, async () => {
        await odd(target, 'connection: upgrade\r\nupgrade: websocket\r\n')
        await odd(
          target,
          'connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n',
        )
      }),
  },
  {
    name: 'a registry that says sorry with status 200',
    mood: 'sorry',
    conf: { schema_failure_ttl_ms: 100 },
    run: hiccup,
  },
  {
    name: 'unique objects, 20,000 in an event',
    run: repeated(() => ({ body: event('unique', `"objects":[${objects(20_000)}]`) })),
  },
  {
    name: 'unique anything, 2,000 in each of 100 events',
    run: repeated(() => ({
      body: array(event('unique', `"any":[${objects(1000)},${objects(1000).replaceAll('"a"', '"b"')}]`), 100),
      coding: 'gzip',
    })),
  },
  {
    name: 'ten enums of 3,000 objects each, 64 events of 20',
    run: repeated(() => ({
      body: array(event('enums', `"list":${array('{"kind":9,"value":"2999"}', 20)}`), 64),
      coding: 'gzip',
    })),
  },
  {
    name: 'trees with two ways through each of 100 levels, 64 events',
    run: repeated(() => ({
      body: array(event('ways', `"tree":${'{"child":'.repeat(100)}{}${',"op":"y"}'.repeat(100)}`), 64),
      coding: 'gzip',
    })),
  },
  {
    name: 'maps with 300,000 different names',
    run: repeated(() => ({
      body: event('names', `"map":{${names(300_000, i => `name-${i.toString(36)}`)}}`),
      coding: 'gzip',
    })),
  },
  {
    name: 'maps with 300,000 different wrong names',
    run: repeated(() => ({
      body: event('names', `"map":{${names(300_000, i => `x-${i.toString(36)}`)}}`),
      coding: 'gzip',
    })),
  },
]

/** Attacks put together at random: the same for the same seed. */
export function generated(seed: number, count: number): Attack[] {
  return Array.from({ length: count }, (_, n) => {
    const random = Random.of(seed, n)
    const shape = random.pick(Object.keys(WIDE_BODIES))
    const coding = random.pick(CODINGS)
    const hasty = random.chance(0.5)
    const reader = random.weighed<Reader>([[3, 'at once'], ...READERS.map(reader => [1, reader] as const)])
    const mood = random.pick(MOODS)
    const connections = random.pick([1, 2, 4, 16])
    // What is not compressed has to be sent.
    const most = coding === 'plain' || coding === 'chunked' ? LARGEST / connections : LARGEST
    const bytes = Math.floor(most * random.pick([1, 1, 0.3, 0.03]))
    const size = `${(bytes / MB).toFixed(1)} MiB`
    return {
      name: `#${n}: ${shape}, ${size}, ${coding}${hasty ? ', hasty' : ''}, read ${reader}, ${connections} at once, a ${mood} registry`,
      mood,
      seconds: reader === 'never' || reader === 'slowly' ? 11 : 5,
      run: repeated(
        () => ({ body: WIDE_BODIES[shape]?.(bytes - 200) ?? '', coding, hasty, reader }),
        connections,
        100,
      ),
    }
  })
}
