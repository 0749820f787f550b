import { collectDefaultMetrics, type Registry } from 'prom-client'
import type { GateError } from '../errors.js'
import type { Context, Delivery, Outcome } from '../eventgate.js'
import type { RequestObserver } from '../http/observer.js'
import type { SenderObserver } from '../kafka/observer.js'
import type { SpoolState } from '../spool/observer.js'
import type { StreamConfigObserver } from '../streams/config-source.js'
import { keepAccounts } from './account-metrics.js'
import type { AccountOptions, StreamAccounts } from './accounts.js'
import { registerGauges } from './gauges.js'
import type { Health, HealthSources } from './health.js'
import type { Distribution } from './histogram.js'
import { type Instruments, makeInstruments } from './instruments.js'
import type { Log } from './log.js'
import { MetricSet } from './metric-set.js'
import { RepeatLog } from './repeat-log.js'
import { makeSpoolMetrics, type SpoolCounts } from './spool-metrics.js'
import { StreamLabels } from './stream-labels.js'

/** Methods that have a label of their own. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
/** Lines about one stream configuration. */
const MAX_WARNINGS = 20
/** Characters of a message and of a request's id that are logged. */
const MAX_MESSAGE_LENGTH = 500
const MAX_ID_LENGTH = 200

type Failed = Extract<Outcome, { error: GateError }>

/** What a spool and its drain tell. Each has its metric; what an operator must see has a line in the log. */
export interface SpoolReports extends Omit<SpoolCounts, 'deadLetters' | 'damaged'> {
  deadLetter(topic: string, reason: string): void
  damaged(events: number, message: string): void
  /** Something works less well, or again. This comes each time. */
  trouble(message: string): void
  /** Something is wrong until an operator acts: what is broken, where, and the next step. This comes each time. */
  complain(message: string): void
}

/** Reports what happens, by name: each method has the log line and the metrics of one occurrence. */
export class Reporter implements RequestObserver {
  /** Events of which nobody was told that they failed, by no fault of their own: hasty ones, and error events. */
  lost = 0
  readonly #log: Log
  readonly #repeatLog: RepeatLog
  readonly #metrics: MetricSet
  readonly #instruments: Instruments
  readonly #streams = new StreamLabels()
  #accounts: StreamAccounts | undefined
  readonly #durations = new Map<string, Distribution>()

  /** `serviceName` is the label that tells services apart; null where Prometheus adds it by itself. */
  constructor(registry: Registry, log: Log, serviceName: string | null) {
    this.#log = log
    this.#repeatLog = new RepeatLog(log)
    this.#metrics = new MetricSet(registry, serviceName === null ? {} : { service: serviceName })
    this.#instruments = makeInstruments(this.#metrics)
  }

  /** Reports the version and the state of the service's parts when metrics are asked for. */
  watch(sources: HealthSources, health: Health, version: string): void {
    registerGauges(this.#metrics, sources, health, version)
  }

  /** Keeps an account of each stream. To be called once, before the stream configuration is fetched. */
  keepAccounts(options: AccountOptions): StreamAccounts {
    this.#accounts = keepAccounts(this.#metrics, options, this.#streams)
    return this.#accounts
  }

  /** What becomes of fetches of the stream configuration. */
  ofStreamConfigs(): StreamConfigObserver {
    return {
      fetched: table => {
        const { size, warnings } = table
        this.#accounts?.configure(table)
        this.#log.info({ streams: size }, `stream configuration with ${size} streams is in force`)
        for (const warning of warnings.slice(0, MAX_WARNINGS))
          this.#log.warn(`stream configuration: ${warning.slice(0, MAX_MESSAGE_LENGTH)}`)
        if (warnings.length > MAX_WARNINGS)
          this.#log.warn(`stream configuration: and ${warnings.length - MAX_WARNINGS} more warnings`)
      },
      failed: reason => {
        this.#instruments.streamConfigFailures.inc({})
        this.#repeatLog.say('warn', 'stream_config_fetch_failed', reason.slice(0, MAX_MESSAGE_LENGTH), {})
      },
    }
  }

  /** The outcome of an error event is known. */
  errorEvent(outcome: Outcome, context: Context, index: number): void {
    if (outcome.fate === 'delivered') this.#delivered(outcome)
    if ('error' in outcome) this.#errorEventFailed(outcome, context.requestIdOf?.(index) ?? context.requestId)
  }

  #errorEventFailed({ fate, error }: Failed, requestId: string): void {
    this.lost++
    this.#instruments.errorEventsLost.inc({ reason: error.code })
    const message = `error event ${fate}: ${error.message.slice(0, MAX_MESSAGE_LENGTH)}`
    const fields = { request_id: requestId.slice(0, MAX_ID_LENGTH) }
    this.#repeatLog.say('error', `error_event_${error.code}`, message, fields)
  }

  /** The error event of a request's event was dropped because too many are under way. */
  errorEventDropped(context: Context): void {
    this.lost++
    this.#instruments.errorEventsLost.inc({ reason: 'error_events_full' })
    const message = 'an error event is dropped: too many are under way'
    this.#repeatLog.say('error', 'error_event_full', message, aboutRequest(context))
  }

  /** The outcome of an event is known. */
  outcome(outcome: Outcome, context: Context, index: number): void {
    const { fate, produceMs } = outcome
    const { events, produceSeconds } = this.#instruments
    events[context.delivery].inc(fate, 'error' in outcome ? outcome.error.code : '')
    if (produceMs !== undefined) produceSeconds[context.delivery][fate].observe(produceMs / 1000)
    if (outcome.fate === 'delivered') this.#delivered(outcome)
    if ('error' in outcome) this.#failed(outcome, context, index)
  }

  #delivered({ stream, schema }: Outcome): void {
    this.#instruments.eventsProduced.inc(this.#streams.ofStored(stream), schema?.uri ?? 'unknown')
  }

  #failed(outcome: Failed, context: Context, index: number): void {
    const { error, stream, schema } = outcome
    const { validationErrors, hastyLost } = this.#instruments
    const labels = { stream: this.#streams.of(stream), schema_uri: schema?.uri ?? 'unknown' }
    if (error.kind === 'invalid') validationErrors.inc({ ...labels, error_type: error.code })
    else if (context.delivery === 'hasty') this.lost++
    if (context.delivery === 'hasty') hastyLost.inc({ reason: error.code })
    if (this.#repeatLog.isRepeat(error.code)) return
    const level = error.kind === 'invalid' ? 'info' : error.code === 'internal_error' ? 'error' : 'warn'
    const fields = {
      ...labels,
      delivery: context.delivery,
      ...aboutRequest(context),
      ...(error.code === 'internal_error' ? { err: error.cause } : {}),
    }
    const message = `event ${outcome.fate}: ${error.message.slice(0, MAX_MESSAGE_LENGTH)}`
    this.#repeatLog.say(level, error.code, message, fields, () => context.textOf(index))
  }

  /** What a Kafka producer tells besides the outcomes of events. */
  ofKafka(delivery: Delivery): SenderObserver {
    const { kafkaRequests, kafkaEventsSent, kafkaEventsLate, ...sizes } = this.#instruments
    const labels = { delivery }
    for (const counter of [kafkaRequests, kafkaEventsSent, kafkaEventsLate]) counter.inc(labels, 0)
    const requestBytes = sizes.kafkaRequestBytes.of(labels)
    const requestEvents = sizes.kafkaRequestEvents.of(labels)
    return {
      sent: (_batches, events, bytes) => {
        kafkaRequests.inc(labels)
        kafkaEventsSent.inc(labels, events)
        requestBytes.observe(bytes)
        requestEvents.observe(events)
      },
      late: events => kafkaEventsLate.inc(labels, events),
      trouble: message => this.#repeatLog.say('warn', `kafka_trouble_${delivery}`, message, { delivery }),
      complain: message => this.#repeatLog.say('error', `kafka_complaint_${delivery}`, message, { delivery }),
      // Once for each topic at most, and each is to be named.
      warn: message => this.#log.warn({ code: `kafka_warning_${delivery}`, delivery }, message),
    }
  }

  /** What a spool and its drain tell. Its metrics are there from this call on. */
  ofSpool(state: () => SpoolState): SpoolReports {
    const counts = makeSpoolMetrics(this.#metrics, state)
    return {
      ...counts,
      deadLetter: (topic, reason) => {
        counts.deadLetters(1)
        const message = `a spooled event of topic ${topic} is a dead letter: ${reason.slice(0, MAX_MESSAGE_LENGTH)}`
        this.#repeatLog.say('error', 'spool_dead_letter', message, { topic })
      },
      damaged: (events, message) => {
        counts.damaged(events)
        this.#repeatLog.say('error', 'spool_damaged', message, { events })
      },
      trouble: message => this.#repeatLog.say('warn', 'spool_trouble', message, {}),
      complain: message => this.#repeatLog.say('error', 'spool_complaint', message, {}),
    }
  }

  bodyReceived(delivery: Delivery, bytes: number): void {
    this.#instruments.requestBytes[delivery].observe(bytes)
  }

  eventsReceived(delivery: Delivery, events: number): void {
    this.#instruments.requestEvents[delivery].observe(events)
  }

  refused({ code, message, cause }: GateError, request: Pick<Context, 'requestId' | 'trace'>): void {
    this.#instruments.requestsRefused.inc({ code })
    // Only a defect of this service has a cause.
    const isDefect = cause !== undefined
    const fields = { ...aboutRequest(request), ...(isDefect ? { err: cause } : {}) }
    const line = `request refused: ${message.slice(0, MAX_MESSAGE_LENGTH)}`
    this.#repeatLog.say(isDefect ? 'error' : 'info', code, line, fields)
  }

  answered(path: string, method: string, status: number, milliseconds: number): void {
    const methodLabel = METHODS.has(method) ? method : 'other'
    const key = `${status} ${methodLabel} ${path}`
    let durations = this.#durations.get(key)
    if (!durations) {
      durations = this.#instruments.requestSeconds.of({ path, method: methodLabel, status: String(status) })
      this.#durations.set(key, durations)
    }
    durations.observe(milliseconds / 1000)
  }
}

/** The fields that a log line about a request is found by. */
function aboutRequest({ requestId, trace }: Pick<Context, 'requestId' | 'trace'>): object {
  const request_id = requestId.slice(0, MAX_ID_LENGTH)
  return trace ? { request_id, trace_id: trace.traceId, span_id: trace.spanId } : { request_id }
}

/** What prom-client calls totals though they go up and down. The same metrics are there by type. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/** Reports on Node.js and the process. */
export function collectProcessMetrics(register: Registry): void {
  collectDefaultMetrics({ register })
  for (const name of MISNAMED) register.removeSingleMetric(name)
  // An average over workers would hide the one that is slow.
  for (const metric of register.getMetricsAsArray())
    if ((metric.aggregator as string) === 'average') Object.assign(metric, { aggregator: 'max' })
}
