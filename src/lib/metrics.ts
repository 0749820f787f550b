import { Counter, Histogram, type Registry } from 'prom-client'
import type { Code, GateError } from './errors.js'
import type { Context, Delivery, Outcome, Stream } from './eventgate.js'
import type { Health, HealthSources } from './health.js'
import type { SenderObserver } from './kafka/sender.js'
import type { Log } from './log.js'
import { registerGauges } from './metrics/gauges.js'
import type { StreamConfigObserver } from './streams.js'

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

interface Tally {
  count: number
  reported: number
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
    this.#validationErrors = new Counter({
      name: 'eventgate_validation_errors_total',
      help: 'Events refused as invalid, by the code of the reason',
      labelNames: labels('stream', 'schema_uri', 'error_type'),
      registers,
    })
    this.#hastyLost = new Counter({
      name: 'eventgate_hasty_events_lost_total',
      help: 'Events lost after they were answered 202, by reason',
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
      help: 'Events in them, each time that they were sent',
      labelNames: labels('delivery'),
      registers,
    })
    this.#kafkaLate = new Counter({
      name: 'eventgate_kafka_events_late_total',
      help: 'Events that turned out to be stored after they were answered as of unknown fate',
      labelNames: labels('delivery'),
      registers,
    })
    this.#requests = new Histogram({
      name: 'express_router_request_duration_seconds',
      help: 'Time from the head of a request to the end of its answer',
      labelNames: labels('path', 'method', 'status'),
      buckets: [0.01, 0.05, 0.1, 0.3, 1, 10],
      registers,
    })
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
  errorEvent(outcome: Outcome): void {
    if (outcome.fate === 'delivered') this.#delivered(outcome)
    else {
      this.lost++
      this.#errorEventsLost.inc({ ...this.#service, reason: outcome.error.code })
      const message = `error event ${outcome.fate}: ${outcome.error.message.slice(0, 500)}`
      this.#say('error', `error_event_${outcome.error.code}`, message, {})
    }
  }

  /** Error events were dropped, for too many are under way. */
  errorEventsDropped(count: number): void {
    this.lost += count
    this.#errorEventsLost.inc({ ...this.#service, reason: 'error_events_full' }, count)
    this.#say('error', 'error_event_full', 'error events are dropped: too many are under way', {})
  }

  /** What became of an event is known. */
  outcome(outcome: Outcome, context: Context, index: number): void {
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
    const level = error.kind === 'invalid' ? 'info' : error.code === 'internal_error' ? 'error' : 'warn'
    const fields = {
      ...labels,
      delivery: context.delivery,
      request_id: context.requestId.slice(0, 200),
      ...(error.code === 'internal_error' ? { err: error.cause } : {}),
    }
    const message = `event ${outcome.fate}: ${error.message.slice(0, 500)}`
    this.#say(level, error.code, message, fields, () => context.textOf(index))
  }

  /** What a Kafka producer has to tell beside the events' outcomes. */
  ofKafka(delivery: Delivery): SenderObserver {
    const labels = { ...this.#service, delivery }
    return {
      sent: (_batches, events) => {
        this.#kafkaRequests.inc(labels)
        this.#kafkaSent.inc(labels, events)
      },
      late: events => this.#kafkaLate.inc(labels, events),
      trouble: message => this.#say('warn', `kafka_trouble_${delivery}`, message, { delivery }),
      complain: message => this.#say('error', `kafka_complaint_${delivery}`, message, { delivery }),
    }
  }

  /** A request was refused as a whole. */
  refused({ code, message, cause }: GateError, requestId?: string): void {
    this.#requestsRefused.inc({ ...this.#service, code })
    // Only a defect of ours has a cause.
    const fields = { request_id: requestId?.slice(0, 200), ...(cause === undefined ? {} : { err: cause }) }
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
    const before = this.#repeats.get(code)
    if (before) {
      before.count++
      return
    }
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
}
