/** The codes that a healthy service never answers: small bounds, a full disk, an operator's defects, Kafka's troubles. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { type KafkaCluster, startKafka } from '../support/kafka.js'
import { makeCorpus } from './corpus.js'
import type { Tally } from './fuzz.js'
import { startWatched, type Watched } from './service.js'
import { type Answer, Wire } from './wire.js'

/** Of these brokers alone can tell. */
export const KAFKA_CODES = [
  ...['event_too_large', 'record_refused', 'partition_unavailable', 'topic_refused', 'kafka_misconfigured'],
  'producer_full',
] as const

const WITHIN_MS = 30_000
/** Here a defect of an operator's or Kafka's trouble is made on purpose. */
const ALLOWED = [500, 503, 504]

interface Post {
  path?: string
  headers?: string
}

function eventOf(stream: string, more: object = {}): object {
  return { $schema: '/test/event/1.0.0', meta: { stream }, ...more }
}

function bytesOf(body: unknown, { path = '/v1/events', headers = '' }: Post = {}): Buffer {
  const text = JSON.stringify(body)
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${headers}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
}

/** One troubled service, and a client that holds its answers against what all must be. */
class Trouble {
  constructor(
    readonly name: string,
    readonly service: Watched,
    readonly tally: Tally,
  ) {}

  async post(body: unknown, options: Post = {}): Promise<Answer | undefined> {
    const wire = await Wire.open(this.service.port)
    try {
      await wire.send([bytesOf(body, options)])
      return await this.answerOn(wire)
    } catch (error) {
      this.tally.breaks(`${this.name}: ${(error as Error).message}`)
      return undefined
    } finally {
      wire.destroy()
    }
  }

  async get(path: string, headers = ''): Promise<Answer | undefined> {
    const wire = await Wire.open(this.service.port)
    await wire.send([Buffer.from(`GET ${path} HTTP/1.1\r\nhost: x\r\n${headers}\r\n`)])
    return this.answerOn(wire).finally(() => wire.destroy())
  }

  async answerOn(wire: Wire): Promise<Answer | undefined> {
    const answer = await wire.answer('POST', WITHIN_MS)
    if (answer) this.tally.answer(answer, this.name, { allowed: ALLOWED })
    else this.tally.breaks(`${this.name}: no answer`)
    return answer
  }
}

type Play = (trouble: Trouble) => Promise<void>

/** A service of its own for one trouble, ended in order. */
async function withService(
  name: string,
  conf: object,
  tally: Tally,
  play: Play,
  exit: readonly number[] = [0],
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'eventgate-fuzz-'))
  try {
    const service = await startWatched(folder, conf)
    try {
      await play(new Trouble(name, service, tally))
      const code = service.ended() === undefined ? await service.stop() : service.ended()
      if (!exit.includes(Number(code))) tally.breaks(`${name}: the service ended with ${code}`)
      for (const problem of service.log.problems) tally.breaks(`${name}: ${problem}`)
    } finally {
      service.kill()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A module such as operators write, with every defect that one can have. */
const FACTORY = `
const wait = ms => new Promise(resolve => setTimeout(resolve, ms))
const is = (event, stream) => event?.meta?.stream === stream
export default ({ steps }) => ({
  ...steps,
  load: (events, context) => events.some(event => is(event, 'load.hangs')) ? wait(60000) : steps.load(events, context),
  schemaFor(event, context) {
    if (is(event, 'schema.throws')) throw new TypeError('a defect\\u009b31m\\n')
    return steps.schemaFor(event, context)
  },
  async produce(event, destination) {
    if (is(event, 'produce.throws')) throw new Error('a defect')
    if (is(event, 'produce.hangs')) await wait(60000)
    if (is(event, 'produce.waits')) await wait(1500)
    return steps.produce(event, destination)
  },
})
`

/** All that needs no broker. */
export async function makeTrouble(tally: Tally): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'eventgate-fuzz-'))
  const module = join(folder, 'own.mjs')
  writeFileSync(module, FACTORY)
  const corpus = makeCorpus(folder)
  try {
    const away = {
      kafka: { conf: { 'metadata.broker.list': '127.0.0.1:1' } },
      request_timeout_ms: 1000,
      schema_timeout_ms: 1000,
      unready_without_kafka_ms: 500,
    }
    const conf = {
      output_path: '/dev/null',
      eventgate_factory_module: module,
      schema_base_uris: corpus.repositories,
      error_stream: 'produce.waits',
      request_timeout_ms: 1000,
      schema_timeout_ms: 1000,
    }
    await Promise.all([
      withService(
        'small bounds',
        {
          output_path: '/dev/null',
          max_events_in_flight: 3,
          max_body_size: 5000,
          max_bytes_in_flight: 5000,
          hasty_max_bytes: 5000,
          request_timeout_ms: 2000,
          schema_timeout_ms: 1000,
        },
        tally,
        async trouble => {
          const wire = await Wire.open(trouble.service.port)
          const held = bytesOf(eventOf('a', { test: 'x'.repeat(4000) }))
          await wire.send([held.subarray(0, -10), 100])
          await trouble.post(eventOf('a', { test: 'x'.repeat(4000) }))
          await trouble.post([1, 2, 3, 4].map(() => eventOf('a')))
          await wire.send([held.subarray(-10)])
          await trouble.answerOn(wire)
          wire.destroy()
          const silent = await Wire.open(trouble.service.port)
          await silent.send([held.subarray(0, -10)])
          await trouble.answerOn(silent)
          silent.destroy()
        },
      ),
      withService('no Kafka', away, tally, async trouble => {
        await trouble.post(eventOf('a'))
        await trouble.get('/_info/ready')
      }),
      withService(
        'a development page',
        { output_path: '/dev/null', dev_ui: true, dev_hosts: ['x'] },
        tally,
        async trouble => {
          await trouble.get('/_dev/events', 'origin: http://y\r\n')
          await trouble.get('/_dev/events/1')
          await trouble.get('/_dev/events/wait?timeout_ms=1')
        },
      ),
      withService('a full disk', { output_path: '/dev/full' }, tally, async trouble => {
        await trouble.post([eventOf('a'), eventOf('b')])
      }),
      withService(
        'an operator’s defects, and the end',
        { ...conf, shutdown_timeout_ms: 4000 },
        tally,
        async trouble => {
          for (const stream of ['schema.throws', 'produce.throws', 'load.hangs', 'produce.hangs'])
            await trouble.post(eventOf(stream))
          // While only an error event is still being stored, requests that were begun are refused. Idle connections
          // have a tenth of that time, and what comes within it is answered.
          const late = await Wire.open(trouble.service.port)
          const bytes = bytesOf(eventOf('a'))
          await late.send([bytes.subarray(0, 60), 100])
          await trouble.post(eventOf('a', { test: 7 }))
          const ending = trouble.service.stop()
          await late.send([1200, bytes.subarray(60)])
          await trouble.answerOn(late)
          late.destroy()
          await ending
        },
        [0],
      ),
    ])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What takes a real broker. */
export async function makeKafkaTrouble(tally: Tally, log: (line: string) => void = () => {}): Promise<void> {
  log('starting a broker')
  const kafka = await startKafka({
    listeners: ['SASL_PLAINTEXT'],
    users: { stranger: 'secret' },
    properties: {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS',
    },
  })
  try {
    const of = (conf: object, guaranteed: object = {}) => ({
      request_timeout_ms: 3000,
      schema_timeout_ms: 1000,
      overwrite_dt: false,
      shutdown_timeout_ms: 5000,
      kafka: {
        conf: { 'metadata.broker.list': kafka.bootstrap, ...conf },
        guaranteed: { conf: guaranteed },
      },
    })
    await kafka.createTopic('good')
    await kafka.createTopic('seen')
    await withService(
      'events that a broker refuses',
      of({ 'message.max.bytes': 2000 }),
      tally,
      async trouble => {
        await trouble.post(eventOf('good'))
        await trouble.post(eventOf('good', { test: 'x'.repeat(3000) }))
        await trouble.post({ ...eventOf('good'), meta: { stream: 'good', dt: '2999-01-01T00:00:00Z' } })
        await trouble.post(eventOf('__consumer_offsets'))
      },
    )
    await withService(
      'a small queue',
      of({}, { 'queue.buffering.max.messages': 2 }),
      tally,
      async trouble => {
        await trouble.post([1, 2, 3, 4, 5].map(() => eventOf('good')))
      },
    )
    await describeOnly(kafka)
    const sasl = {
      'metadata.broker.list': kafka.bootstrapOf('SASL_PLAINTEXT'),
      'security.protocol': 'sasl_plaintext',
      'sasl.mechanism': 'PLAIN',
      'sasl.username': 'stranger',
      'sasl.password': 'secret',
    }
    await withService('a user without rights', of(sasl), tally, async trouble => {
      await trouble.post(eventOf('good'))
      await trouble.post(eventOf('seen'))
    })
    // Exit 1: something was given up.
    await withService(
      'a broker that stops',
      of({}),
      tally,
      async trouble => {
        await trouble.post(eventOf('good'))
        const broker = kafka.broker(1)
        broker.stop()
        await trouble.post(eventOf('good'))
        // The first that comes finds out whether the partition is well; those beside it are refused at once.
        await Promise.all([
          trouble.post(eventOf('good')),
          sleep(200).then(() => trouble.post(eventOf('good'))),
        ])
        await trouble.post(eventOf('seen'))
        broker.cont()
        await sleep(3000)
        const answer = await trouble.post(eventOf('good'))
        if (answer?.status !== 201) tally.breaks(`a broker that stops: ${answer?.status} after its return`)
      },
      [0, 1],
    )
  } finally {
    await kafka.close()
  }
}

/** The stranger may look at one topic, and write to none. */
async function describeOnly(kafka: KafkaCluster): Promise<void> {
  const client = new kafkajs.Kafka({ brokers: [kafka.bootstrap], logLevel: kafkajs.logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  try {
    await admin.createAcls({
      acl: [
        {
          resourceType: kafkajs.AclResourceTypes.TOPIC,
          resourceName: 'seen',
          resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
          principal: 'User:stranger',
          host: '*',
          operation: kafkajs.AclOperationTypes.DESCRIBE,
          permissionType: kafkajs.AclPermissionTypes.ALLOW,
        },
      ],
    })
  } finally {
    await admin.disconnect()
  }
}
