import { Counter, collectDefaultMetrics, Gauge, Histogram, type Registry } from 'prom-client'
import { type Code, FAULTS, type GateError } from '../errors.js'
import type { Context, Delivery, Outcome, Stream } from '../eventgate.js'
import type { SenderObserver } from '../kafka/sender.js'
import type { StreamConfigObserver } from '../streams/streams.js'
import { registerGauges } from './gauges.js'
import type { Health, HealthSources } from './health.js'
import { CheapHistogram, type Distribution } from './histogram.js'
import type { Log } from './log.js'

/** Values of one label; what comes after them is `unknown`, for clients choose them. */
const MAX_LABEL_VALUES = 1000
/** Methods that have a label of their own. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
/** A failure that repeats is one line in this time, with a count. */
const LOG_INTERVAL_MS = 1000
/** Of a refused event this much is logged, at debug. */
const MAX_LOGGED_EVENT = 4096
/** Lines about one stream configuration. */
const MAX_WARNINGS = 20

/** Buckets: from what memory takes to the longest deadline; from one event to the largest requests. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20]
const EVENTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]
const BYTES = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216]

interface Tally {
  count: number
  reported: number
}

/** What is counted of one delivery's events and requests. */
interface Counts {
  /** Events by fate and code, the code of those that were stored being empty. */
  events: Record<Outcome['fate'], Map<Code | '', number>>
  produce: Record<Outcome['fate'], Distribution>
  requestBytes: Distribution
  requestEvents: Distribution
}

/**
 * What happens, by name: each function does the log line and the metric of one occurrence. Metrics that
 * change with every event are tallied here and given to prom-client when it is asked for them.
 */
export class Metrics {
  /** Events of which nobody was told that they failed, by no fault of their own: hasty ones, and error events. */
  lost = 0
  readonly #log: Log
  readonly #service: Record<string, string>
  readonly #produced = new Map<string, Map<string, Tally>>()
  readonly #counts: Record<Delivery, Counts>
  readonly #kafkaRequestBytes: CheapHistogram
  readonly #kafkaRequestEvents: CheapHistogram
  readonly #streams = new Set<string>()
  readonly #validationErrors: Counter
  readonly #hastyLost: Counter
  readonly #errorEventsLost: Counter
  readonly #requestsRefused: Counter
  readonly #configFailures: Counter
  readonly #kafkaRequests: Counter
  readonly #kafkaSent: Counter
  readonly #kafkaLate: Counter
  readonly #requests: Histogram
  readonly #durations = new Map<string, Histogram.Internal<string>>()
  readonly #repeats = new Map<string, { count: number }>()

  /** `serviceName` is the label that tells services apart; null where Prometheus adds it by itself. */
  constructor(registry: Registry, log: Log, serviceName: string | null) {
    this.#log = log
    this.#service = serviceName === null ? {} : { service: serviceName }
    const registers = [registry]
    const labels = (...names: string[]) => [...Object.keys(this.#service), ...names]
    const service = this.#service
    const produced = this.#produced
    new Counter({
      name: 'eventgate_events_produced_total',
      help: 'Events stored, counted when their storage was acknowledged',
      labelNames: labels('stream', 'schema_uri'),
      registers,
      collect() {
        for (const [stream, schemas] of produced) {
          for (const [schema_uri, tally] of schemas) {
            this.inc({ ...service, stream, schema_uri }, tally.count - tally.reported)
            tally.reported = tally.count
          }
        }
      },
    })
    const histogram = (name: string, help: string, names: string[], bounds: readonly number[]) =>
      new CheapHistogram(registry, { name, help, labelNames: labels(...names), bounds })
    const produce = histogram(
      'eventgate_produce_duration_seconds',
      'Time from the handing of an event to its producer to what became of it',
      ['delivery', 'outcome'],
      SECONDS,
    )
    const requestBytes = histogram(
      'eventgate_request_size_bytes',
      'Bytes of the body of a request, without its coding',
      ['delivery'],
      BYTES,
    )
    const requestEvents = histogram(
      'eventgate_request_size_events',
      'Events of a request',
      ['delivery'],
      EVENTS,
    )
    this.#kafkaRequestBytes = histogram(
      'eventgate_kafka_request_size_bytes',
      'Bytes of a produce request to a broker, before compression',
      ['delivery'],
      BYTES,
    )
    this.#kafkaRequestEvents = histogram(
      'eventgate_kafka_request_size_events',
      'Events of a produce request to a broker',
      ['delivery'],
      EVENTS,
    )
    const countsOf = (delivery: Delivery): Counts => {
      const produceOf = (outcome: Outcome['fate']) => produce.of({ ...service, delivery, outcome })
      const faults = (fate: Outcome['fate']) =>
        FAULTS.filter(fault => fault.fate === fate).map(({ code }) => [code, 0] as const)
      return {
        events: {
          delivered: new Map([['', 0]]),
          invalid: new Map(),
          not_stored: new Map(faults('not_stored')),
          unknown: new Map(faults('unknown')),
        },
        produce: {
          delivered: produceOf('delivered'),
          invalid: produceOf('invalid'),
          not_stored: produceOf('not_stored'),
          unknown: produceOf('unknown'),
        },
        requestBytes: requestBytes.of({ ...service, delivery }),
        requestEvents: requestEvents.of({ ...service, delivery }),
      }
    }
    const counts = { guaranteed: countsOf('guaranteed'), hasty: countsOf('hasty') }
    this.#counts = counts
    new Counter({
      name: 'eventgate_events_total',
      help: 'Events of requests, by what became of them and, where they were not stored, by the code of the reason',
      labelNames: labels('delivery', 'outcome', 'code'),
      registers,
      collect() {
        this.reset()
        for (const [delivery, { events }] of Object.entries(counts))
          for (const [outcome, codes] of Object.entries(events))
            for (const [code, count] of codes) this.inc({ ...service, delivery, outcome, code }, count)
      },
    })
    this.#validationErrors = new Counter({
      name: 'eventgate_validation_errors_total',
      help: 'Events refused as invalid, by the code of the reason',
      labelNames: labels('stream', 'schema_uri', 'error_type'),
      registers,
    })
    this.#hastyLost = new Counter({
      name: 'eventgate_hasty_events_lost_total',
      help: 'Events not stored after they were answered 202, by reason; invalid ones too',
      labelNames: labels('reason'),
      registers,
    })
    this.#errorEventsLost = new Counter({
      name: 'eventgate_error_events_lost_total',
      help: 'Error events that could not be produced, by reason',
      labelNames: labels('reason'),
      registers,
    })
    this.#requestsRefused = new Counter({
      name: 'eventgate_requests_refused_total',
      help: 'Requests refused as a whole, by the code of the reason',
      labelNames: labels('code'),
      registers,
    })
    this.#configFailures = new Counter({
      name: 'eventgate_stream_config_failures_total',
      help: 'Fetches of the stream configuration that failed; the last good one stays in force',
      labelNames: labels(),
      registers,
    })
    this.#kafkaRequests = new Counter({
      name: 'eventgate_kafka_requests_total',
      help: 'Produce requests sent to brokers',
      labelNames: labels('delivery'),
      registers,
    })
    this.#kafkaSent = new Counter({
      name: 'eventgate_kafka_events_sent_total',
      help: 'Events sent to brokers, each time that they were sent',
      labelNames: labels('delivery'),
      registers,
    })
    this.#kafkaLate = new Counter({
      name: 'eventgate_kafka_events_late_total',
      help: 'Events that turned out to be stored after they were answered as of unknown fate',
      labelNames: labels('delivery'),
      registers,
    })
    // Prometheus sees no increase where there was nothing before.
    for (const { code } of FAULTS) {
      this.#hastyLost.inc({ ...service, reason: code }, 0)
      this.#errorEventsLost.inc({ ...service, reason: code }, 0)
      this.#requestsRefused.inc({ ...service, code }, 0)
    }
    this.#errorEventsLost.inc({ ...service, reason: 'error_events_full' }, 0)
    this.#configFailures.inc(service, 0)
    this.#requests = new Histogram({
      name: 'express_router_request_duration_seconds',
      help: 'Time from the head of a request to the end of its answer',
      labelNames: labels('path', 'method', 'status'),
      buckets: [0.01, 0.05, 0.1, 0.3, 1, 10],
      registers,
    })
  }

  /** Reports which build this is. */
  ofBuild(registry: Registry, version: string): void {
    const labels = { ...this.#service, version, node: process.versions.node }
    new Gauge({
      name: 'eventgate_build_info',
      help: 'Always 1: its labels tell which version runs, on which Node',
      labelNames: Object.keys(labels),
      registers: [registry],
    }).set(labels, 1)
  }

  /** Reports the state of the service's parts when metrics are asked for. */
  watch(registry: Registry, sources: HealthSources, health: Health): void {
    registerGauges(registry, this.#service, sources, health)
  }

  /** What becomes of fetches of the stream configuration. */
  ofStreamConfigs(): StreamConfigObserver {
    return {
      fetched: ({ size, warnings }) => {
        this.#log.info({ streams: size }, `stream configuration with ${size} streams is in force`)
        for (const warning of warnings.slice(0, MAX_WARNINGS))
          this.#log.warn(`stream configuration: ${warning.slice(0, 500)}`)
        if (warnings.length > MAX_WARNINGS)
          this.#log.warn(`stream configuration: and ${warnings.length - MAX_WARNINGS} more warnings`)
      },
      failed: reason => {
        this.#configFailures.inc(this.#service)
        this.#say('warn', 'stream_config_fetch_failed', reason.slice(0, 500), {})
      },
    }
  }

  /** What became of an error event is known. */
  errorEvent(outcome: Outcome, context: Context, index: number): void {
    if (outcome.fate === 'delivered') this.#delivered(outcome)
    else {
      this.lost++
      this.#errorEventsLost.inc({ ...this.#service, reason: outcome.error.code })
      const message = `error event ${outcome.fate}: ${outcome.error.message.slice(0, 500)}`
      const requestId = context.requestIdOf?.(index) ?? context.requestId
      this.#say('error', `error_event_${outcome.error.code}`, message, {
        request_id: requestId.slice(0, 200),
      })
    }
  }

  /** The error event of a request's event was dropped, for too many are under way. */
  errorEventDropped(context: Context): void {
    this.lost++
    this.#errorEventsLost.inc({ ...this.#service, reason: 'error_events_full' })
    this.#say(
      'error',
      'error_event_full',
      'an error event is dropped: too many are under way',
      aboutRequest(context),
    )
  }

  /** What became of an event is known. */
  outcome(outcome: Outcome, context: Context, index: number): void {
    const { fate, produceMs } = outcome
    const { events, produce } = this.#counts[context.delivery]
    const code = fate === 'delivered' ? '' : outcome.error.code
    events[fate].set(code, (events[fate].get(code) ?? 0) + 1)
    if (produceMs !== undefined) produce[fate].observe(produceMs / 1000)
    if (outcome.fate === 'delivered') this.#delivered(outcome)
    else this.#failed(outcome, context, index)
  }

  #delivered({ stream, schema }: Outcome): void {
    const streamLabel = this.#streamLabel(stream, true)
    const schemaLabel = schema?.uri ?? 'unknown'
    const schemas = this.#produced.get(streamLabel) ?? new Map<string, Tally>()
    if (schemas.size === 0) this.#produced.set(streamLabel, schemas)
    const tally = schemas.get(schemaLabel)
    if (tally) tally.count++
    else schemas.set(schemaLabel, { count: 1, reported: 0 })
  }

  #failed(outcome: Exclude<Outcome, { fate: 'delivered' }>, context: Context, index: number): void {
    const { error, stream, schema } = outcome
    const labels = { stream: this.#streamLabel(stream, false), schema_uri: schema?.uri ?? 'unknown' }
    if (error.kind === 'invalid')
      this.#validationErrors.inc({ ...this.#service, ...labels, error_type: error.code })
    else if (context.delivery === 'hasty') this.lost++
    if (context.delivery === 'hasty') this.#hastyLost.inc({ ...this.#service, reason: error.code })
    if (this.#isRepeat(error.code)) return
    const level = error.kind === 'invalid' ? 'info' : error.code === 'internal_error' ? 'error' : 'warn'
    const fields = {
      ...labels,
      delivery: context.delivery,
      ...aboutRequest(context),
      ...(error.code === 'internal_error' ? { err: error.cause } : {}),
    }
    const message = `event ${outcome.fate}: ${error.message.slice(0, 500)}`
    this.#say(level, error.code, message, fields, () => context.textOf(index))
  }

  /** What a Kafka producer has to tell beside the events' outcomes. */
  ofKafka(delivery: Delivery): SenderObserver {
    const labels = { ...this.#service, delivery }
    for (const counter of [this.#kafkaRequests, this.#kafkaSent, this.#kafkaLate]) counter.inc(labels, 0)
    const sizes = this.#kafkaRequestBytes.of(labels)
    const numbers = this.#kafkaRequestEvents.of(labels)
    return {
      sent: (_batches, events, bytes) => {
        this.#kafkaRequests.inc(labels)
        this.#kafkaSent.inc(labels, events)
        sizes.observe(bytes)
        numbers.observe(events)
      },
      late: events => this.#kafkaLate.inc(labels, events),
      trouble: message => this.#say('warn', `kafka_trouble_${delivery}`, message, { delivery }),
      complain: message => this.#say('error', `kafka_complaint_${delivery}`, message, { delivery }),
      // Once for each topic at most, each of which is to be named.
      warn: message => this.#log.warn({ code: `kafka_warning_${delivery}`, delivery }, message),
    }
  }

  /** A request's body has come. */
  bodyReceived(delivery: Delivery, bytes: number): void {
    this.#counts[delivery].requestBytes.observe(bytes)
  }

  /** It was read, and has so many events. */
  eventsReceived(delivery: Delivery, events: number): void {
    this.#counts[delivery].requestEvents.observe(events)
  }

  /** A request was refused as a whole. */
  refused({ code, message, cause }: GateError, request: Pick<Context, 'requestId' | 'trace'>): void {
    this.#requestsRefused.inc({ ...this.#service, code })
    // Only a defect of ours has a cause.
    const fields = { ...aboutRequest(request), ...(cause === undefined ? {} : { err: cause }) }
    this.#say(
      cause === undefined ? 'info' : 'error',
      code,
      `request refused: ${message.slice(0, 500)}`,
      fields,
    )
  }

  /** A request was answered. `path` is a route's own name, never what the client wrote. */
  answered(path: string, method: string, status: number, milliseconds: number): void {
    const key = `${status} ${METHODS.has(method) ? method : 'other'} ${path}`
    let durations = this.#durations.get(key)
    if (!durations) {
      durations = this.#requests.labels({
        ...this.#service,
        path,
        method: key.split(' ')[1] as string,
        status,
      })
      this.#durations.set(key, durations)
    }
    durations.observe(milliseconds / 1000)
  }

  /**
   * A stream that is configured is known by the name that it is configured by; any other once an event of it
   * was stored, for clients make up the names of others.
   */
  #streamLabel(stream: Stream | undefined, stored: boolean): string {
    if (stream === undefined) return 'unknown'
    if (stream.configuredAs !== undefined) return stream.configuredAs
    const { name } = stream
    if (this.#streams.has(name)) return name
    if (!stored || this.#streams.size === MAX_LABEL_VALUES) return 'unknown'
    this.#streams.add(name)
    return name
  }

  /**
   * The first of its kind is said at once; those that follow within a second are one more line. What clients
   * sent, which may be private, is shown to those only who debug.
   */
  #say(
    level: 'info' | 'warn' | 'error',
    code: Code | `${'kafka' | 'error_event' | 'stream_config'}_${string}`,
    message: string,
    fields: object,
    event?: () => string,
  ): void {
    if (this.#isRepeat(code)) return
    const repeats = { count: 0 }
    this.#repeats.set(code, repeats)
    const shown =
      event && this.#log.isLevelEnabled('debug') ? { event: event().slice(0, MAX_LOGGED_EVENT) } : {}
    this.#log[level]({ code, ...fields, ...shown }, message)
    const again = setTimeout(() => {
      this.#repeats.delete(code)
      if (repeats.count > 0)
        this.#log[level](
          { code, count: repeats.count },
          `and ${repeats.count} more with ${code} in ${LOG_INTERVAL_MS} ms`,
        )
    }, LOG_INTERVAL_MS)
    again.unref()
  }

  /** Whether one of its kind was said within a second; counts it then. */
  #isRepeat(code: string): boolean {
    const repeats = this.#repeats.get(code)
    if (repeats) repeats.count++
    return repeats !== undefined
  }
}

/** By what a line of the log that is about a request is found. */
function aboutRequest({ requestId, trace }: Pick<Context, 'requestId' | 'trace'>): object {
  const request_id = requestId.slice(0, 200)
  return trace ? { request_id, trace_id: trace.traceId, span_id: trace.spanId } : { request_id }
}

/** What prom-client calls totals though they go up and down; the same is there by type. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/** Reports on Node and the process. */
export function collectProcessMetrics(register: Registry): void {
  collectDefaultMetrics({ register })
  for (const name of MISNAMED) register.removeSingleMetric(name)
}
