/**
 * Shows that alarms ring. Two processes of the service take events of 500 streams under a real Kafka, and a real
 * Prometheus evaluates the chart's rules. All processes restart, and no alert may fire. Then one stream is muted, one
 * schema is broken and one topic is stopped: exactly those alerts must fire, within quiet_after and two scrapes. At the
 * end another stream is muted while all processes restart, which must not delay its alert. Takes some four minutes.
 *
 *   npm run check:alarms
 *
 * Three seconds stand for a minute: the durations in the rules are that much shorter, and nothing else of them changes.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { dump, load } from 'js-yaml'
import kafkajs from 'kafkajs'
import { type Started, startEventGate } from '../test/reliability/service.js'
import { freePorts, type KafkaCluster, startKafka } from '../test/support/kafka.js'
import { ROOT } from '../test/support/service.js'
import { WRONG_ACCOUNTS } from './names.js'
import { Prometheus, tool } from './prometheus.js'

const MINUTE_S = 3
const SCRAPE_S = 1
/** A quarter of an hour. */
const QUIET_AFTER_S = 15 * MINUTE_S
/** An event is stored before its client hears of it. */
const NOT_BEFORE_S = QUIET_AFTER_S - 2 * SCRAPE_S
const ROUND_MS = 2000
const WARM_UP_MS = 60_000

const STREAMS = Array.from({ length: 500 }, (_, i) => `loud.${String(i).padStart(3, '0')}`)
const [MUTED, BROKEN, STOPPED, MUTED_OVER_RESTART] = STREAMS.slice(100) as [string, string, string, string]
const NEVER = 'never'
const ERROR_STREAM = 'eventgate.error.validation'
const SERVICE = 'eventgate'
/** Of alerts that should not fire. */
const SHOWN = 10
/** Events of a request. */
const ARRAY = 25

/** Not one of these may have an alert, except `NEVER`. */
const STREAM_CONFIG = {
  ...Object.fromEntries(STREAMS.map(name => [name, settings()])),
  [NEVER]: settings({ quiet_after: `${QUIET_AFTER_S}s` }),
  standby: settings({ quiet_after: false }),
  elsewhere: { ...settings(), destination_event_service: 'another' },
  [ERROR_STREAM]: { schema_title: 'error', destination_event_service: SERVICE },
}

function settings(more: object = {}): object {
  return {
    schema_title: 'alarms/event',
    destination_event_service: SERVICE,
    producers: { eventgate: more },
  }
}

const ends: (() => unknown)[] = []

/** The rules that the chart brings for this service, faster. */
function writeRules(file: string): void {
  const values = [`serviceName=${SERVICE}`, 'alerts.enabled=always', 'metrics.scrape=none']
  const args = [
    'template',
    'check',
    join(ROOT, 'helm/eventgate'),
    '--show-only',
    'templates/prometheusrule.yaml',
  ]
  const { status, stdout, stderr } = spawnSync(
    tool('helm'),
    [...args, ...values.flatMap(value => ['--set', value])],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`helm: ${stderr}`)
  const { groups } = (load(stdout) as { spec: { groups: { rules: { expr: string; for?: string }[] }[] } })
    .spec
  for (const rule of groups.flatMap(({ rules }) => rules)) {
    rule.expr = rule.expr.replace(/(?<=\[)\d+[a-z]+(?=\])|(?<=offset )\w+/g, faster)
    if (rule.for) rule.for = faster(rule.for)
  }
  writeFileSync(file, dump({ groups }))
}

const MINUTES: Record<string, number> = { m: 1, h: 60, d: 1440, w: 10_080 }

function faster(duration: string): string {
  const [, count, unit = ''] = /^(\d+)([mhdw])$/.exec(duration) ?? []
  const minutes = Number(count) * (MINUTES[unit] ?? Number.NaN)
  if (Number.isNaN(minutes)) throw new Error(`the duration ${duration} in a rule is not known`)
  return `${minutes * MINUTE_S}s`
}

/** A schema, and a later version that does not compile. */
function writeSchemas(folder: string): void {
  const schema = {
    title: 'alarms/event',
    $schema: 'https://json-schema.org/draft-07/schema#',
    type: 'object',
    required: ['$schema', 'meta'],
    properties: {
      $schema: { type: 'string' },
      meta: { type: 'object', required: ['stream'], properties: { stream: { type: 'string' } } },
    },
  }
  mkdirSync(join(folder, 'alarms/event'), { recursive: true })
  const write = (version: string, more: object) =>
    writeFileSync(
      join(folder, `alarms/event/${version}.yaml`),
      JSON.stringify({ ...schema, $id: `/alarms/event/${version}`, ...more }),
    )
  write('1.0.0', {})
  write('1.1.0', { additionalProperties: { type: 'a type that does not exist' } })
}

async function createTopics(kafka: KafkaCluster, names: readonly string[]): Promise<void> {
  const admin = adminOf(kafka)
  await admin.connect()
  try {
    await admin.createTopics({
      topics: names.map(topic => ({ topic, numPartitions: 1, replicationFactor: 1 })),
    })
  } finally {
    await admin.disconnect()
  }
}

function adminOf({ bootstrap }: KafkaCluster) {
  return new kafkajs.Kafka({ brokers: [bootstrap], logLevel: kafkajs.logLevel.NOTHING }).admin()
}

/** Sends an event of each stream every two seconds, most of them by the pods in turn. */
class Clients {
  readonly muted = new Set<string>()
  /** Streams whose events have the schema that is broken. */
  readonly broken = new Set<string>()
  /** When an event of a stream was last answered as stored, and when first as not stored (s). */
  readonly lastStored = new Map<string, number>()
  readonly firstFailed = new Map<string, number>()
  /** Codes of events that should have been stored: how many, and when (s). */
  readonly #failed = new Map<string, { events: number; from: number; to: number }>()
  #going = true
  #round = 0

  constructor(readonly urls: () => readonly string[]) {}

  async run(): Promise<void> {
    while (this.#going) {
      const next = delay(ROUND_MS)
      const urls = this.urls()
      this.#round++
      const arrays = Array.from({ length: STREAMS.length / ARRAY }, (_, i) => {
        const streams = STREAMS.slice(i * ARRAY, (i + 1) * ARRAY)
        // Prometheus needs two increases in a window, which is that much shorter here.
        const pod = streams.includes(STOPPED) ? 0 : (i + this.#round) % urls.length
        return this.#send(urls[pod] as string, streams)
      })
      await Promise.all([next, ...arrays])
    }
  }

  stop(): void {
    this.#going = false
  }

  /** What failed although it should not, for people. */
  failures(): string[] {
    return Array.from(
      this.#failed,
      ([code, { events, from, to }]) =>
        `${events} events ${code}, from ${new Date(from * 1000).toISOString()} for ${(to - from).toFixed(1)} s`,
    )
  }

  #fail(stream: string, code: string, now: number): void {
    if (!this.firstFailed.has(stream)) this.firstFailed.set(stream, now)
    if (this.broken.has(stream) || stream === STOPPED) return
    const { events = 0, from = now } = this.#failed.get(code) ?? {}
    this.#failed.set(code, { events: events + 1, from, to: now })
  }

  async #send(url: string, streams: readonly string[]): Promise<void> {
    // Events that fail for long would use up the error budget, if they were more.
    const sent = streams.filter(
      stream => !this.muted.has(stream) && (stream !== STOPPED || this.#round % 2 === 0),
    )
    const events = sent.map(stream => ({
      $schema: `/alarms/event/${this.broken.has(stream) ? '1.1.0' : '1.0.0'}`,
      meta: { stream },
      dt: new Date().toISOString(),
    }))
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(events),
      })
      const text = await response.text()
      const now = Date.now() / 1000
      const failed = response.status === 201 ? new Map<string, string>() : failedIn(text)
      for (const stream of failed ? sent : []) {
        const code = failed?.get(stream)
        if (code === undefined) this.lastStored.set(stream, now)
        else this.#fail(stream, code, now)
      }
    } catch {
      // The pod is restarting. Its clients come again.
    }
  }
}

interface Entry {
  event?: { meta: { stream: string } }
  code: string
}

/** The code for each stream whose event an answer names; undefined if it is of a whole request. */
function failedIn(text: string): Map<string, string> | undefined {
  const { invalid, error } = JSON.parse(text) as Record<string, Entry[]>
  if (!invalid && !error) return undefined
  const entries = [...(invalid ?? []), ...(error ?? [])]
  return new Map(entries.map(({ event, code }) => [event?.meta.stream ?? '', code]))
}

/** When each alert first fired, in the whole run (s). */
async function fired(prometheus: Prometheus): Promise<Map<string, number>> {
  const samples = await prometheus.query(
    `min by (alertname, stream, service, delivery, code) (min_over_time(timestamp(ALERTS{alertstate="firing"})[20m:${SCRAPE_S}s]))`,
  )
  return new Map(
    samples.map(({ metric: { alertname, stream, ...more }, value: [, time] }) => [
      [alertname, stream ?? JSON.stringify(more)].join(' '),
      Number(time),
    ]),
  )
}

const quiet = (stream: string) => `EventGateStreamQuiet ${stream}`

class Check {
  readonly problems: string[] = []
  readonly #expected = new Set<string>()

  constructor(
    readonly prometheus: Prometheus,
    readonly clients: Clients,
  ) {}

  /** Reads the alerts that fired so far, and expects those beside the ones that were expected before. */
  async expect(when: string, alerts: readonly string[]): Promise<Map<string, number>> {
    for (const alert of alerts) this.#expected.add(alert)
    const found = await fired(this.prometheus)
    const wrong = [...found.keys()].filter(alert => !this.#expected.has(alert))
    if (wrong.length > 0)
      this.problems.push(`${when}: ${wrong.length} other alerts fired: ${wrong.slice(0, SHOWN).join(', ')}`)
    for (const alert of this.#expected)
      if (!found.has(alert)) this.problems.push(`${when}: ${alert} did not fire`)
    return found
  }

  /** An alert must fire between two times after another (s). */
  within(found: Map<string, number>, alert: string, since: number | undefined, least: number): void {
    const most = QUIET_AFTER_S + 2 * SCRAPE_S
    const after = (found.get(alert) ?? Number.NaN) - (since ?? Number.NaN)
    console.log(`${alert}: ${after.toFixed(1)} s after it began, at most ${most} s are allowed`)
    if (!(after >= least && after <= most))
      this.problems.push(`${alert} fired ${after} s after it began, not within ${least} and ${most} s`)
  }
}

/** Resolves when an event of each stream was stored lately. */
async function whenStored(clients: Clients): Promise<void> {
  for (const until = Date.now() + WARM_UP_MS; ; await delay(ROUND_MS)) {
    const lately = Date.now() / 1000 - 3 * (ROUND_MS / 1000)
    const silent = STREAMS.filter(stream => !((clients.lastStored.get(stream) ?? 0) > lately))
    if (silent.length === 0) return
    if (Date.now() > until)
      throw new Error(`no event of ${silent.length} streams is stored: ${clients.failures().join('; ')}`)
  }
}

async function check(): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'eventgate-alarms-'))
  ends.unshift(() => rmSync(folder, { recursive: true, force: true }))
  const rules = join(folder, 'rules.yaml')
  writeRules(rules)
  writeSchemas(folder)
  const streamConfig = join(folder, 'streams.json')
  writeFileSync(streamConfig, JSON.stringify(STREAM_CONFIG))

  // Otherwise brokers would create the topic that is stopped anew.
  const kafka = await startKafka({ properties: { 'auto.create.topics.enable': 'false' } })
  ends.unshift(() => kafka.close())
  await createTopics(kafka, [...STREAMS, ERROR_STREAM])

  const ports = await freePorts(4)
  const metricsPorts = ports.slice(0, 2)
  const startPod = (i: number) =>
    startEventGate(
      kafka.bootstrap,
      {
        port: ports[i + 2],
        schema_base_uris: [folder, join(ROOT, 'schemas')],
        stream_config_uri: streamConfig,
        destination_event_service: SERVICE,
        error_stream: ERROR_STREAM,
        quiet_after: [{ streams: '/^loud[.]/', after: `${QUIET_AFTER_S}s` }],
      },
      { metricsPort: metricsPorts[i] },
    )
  let pods: Started[] = await Promise.all([startPod(0), startPod(1)])
  ends.unshift(() => Promise.all(pods.map(pod => pod.kill9())))
  const urls = pods.map(({ url }) => url)
  const restartAll = async () => {
    await Promise.all(pods.map(pod => pod.close()))
    pods = await Promise.all([startPod(0), startPod(1)])
  }

  const podsStartedAt = Date.now() / 1000
  const clients = new Clients(() => urls)
  const sending = clients.run()
  // A Kafka that has just started may miss deadlines, so nobody looks yet.
  await whenStored(clients)
  const prometheus = await Prometheus.start({ ports: metricsPorts, rules: [rules], interval: SCRAPE_S })
  ends.unshift(() => prometheus.close())
  // Nobody heard of silence before there was a Prometheus.
  const watchedSince = Math.max(podsStartedAt, Date.now() / 1000 - QUIET_AFTER_S)
  const test = new Check(prometheus, clients)
  const seconds = (s: number) => delay(s * 1000)
  const untilQuiet = () => seconds(QUIET_AFTER_S + 4 * SCRAPE_S)
  try {
    await seconds(10)
    console.log('== all processes restart')
    await restartAll()
    await untilQuiet()
    const first = await test.expect('after a restart of all processes', [quiet(NEVER)])
    test.within(first, quiet(NEVER), watchedSince, NOT_BEFORE_S - 5)

    console.log('== a stream is muted, a schema broken, a topic stopped')
    clients.muted.add(MUTED)
    clients.broken.add(BROKEN)
    await kafka.deleteTopic(STOPPED)
    // A request may take nine seconds, and then a stream's first failure counts.
    await seconds(12)
    await untilQuiet()
    const refusing = `EventGateStreamRefusing ${BROKEN}`
    const failing = `EventGateStreamFailing ${STOPPED}`
    const second = await test.expect('after the faults', [quiet(MUTED), refusing, failing])
    test.within(second, quiet(MUTED), clients.lastStored.get(MUTED), NOT_BEFORE_S)
    test.within(second, refusing, clients.firstFailed.get(BROKEN), 0)
    test.within(second, failing, clients.firstFailed.get(STOPPED), 0)

    console.log('== another stream is muted, and all processes restart')
    clients.muted.delete(MUTED)
    clients.broken.delete(BROKEN)
    await createTopics(kafka, [STOPPED])
    clients.muted.add(MUTED_OVER_RESTART)
    await seconds(QUIET_AFTER_S / 3)
    await restartAll()
    await untilQuiet()
    const third = await test.expect('after another restart', [quiet(MUTED_OVER_RESTART)])
    test.within(third, quiet(MUTED_OVER_RESTART), clients.lastStored.get(MUTED_OVER_RESTART), NOT_BEFORE_S)
    const firing = await prometheus.query('ALERTS{alertstate="firing"}')
    const now = firing.map(({ metric }) => `${metric.alertname} ${metric.stream}`).toSorted()
    if (now.join() !== [quiet(MUTED_OVER_RESTART), quiet(NEVER)].toSorted().join())
      test.problems.push(`at the end these alerts fire: ${now.join(', ').slice(0, 1000)}`)
    const wrong = await prometheus.query(`count_over_time((${WRONG_ACCOUNTS})[20m:${SCRAPE_S}s])`)
    if (wrong.length > 0)
      test.problems.push(`${wrong.length} accounts did not add up: ${JSON.stringify(wrong[0]?.metric)}`)
  } finally {
    clients.stop()
    await sending
  }
  if (test.problems.length > 0) test.problems.push(...clients.failures())
  return test.problems
}

async function main(): Promise<number> {
  try {
    const problems = await check()
    for (const problem of problems) console.error(`check:alarms: ${problem}`)
    return problems.length === 0 ? 0 : 1
  } catch (error) {
    console.error(`check:alarms: ${(error as Error).message}`)
    return 1
  } finally {
    for (const end of ends) await end()
  }
}

process.exit(await main())
