import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Config } from './lib/config/config.js'
import type { Logging } from './lib/config/file.js'
import type { GateError } from './lib/errors.js'
import { type Accounts, type Delivery, EventGate, type Observer, type Steps } from './lib/eventgate.js'
import type { GateFields } from './lib/evolution/comparison.js'
import type { Known } from './lib/explain/gate-refusals.js'
import { Admission } from './lib/http/admission.js'
import { readBody } from './lib/http/body.js'
import { BodyReader } from './lib/http/body-reader.js'
import type { IntakeOptions } from './lib/http/intakes.js'
import { makeQueryReader } from './lib/http/query.js'
import { KafkaProducer } from './lib/kafka/producer.js'
import type { Spooling } from './lib/kafka/spill.js'
import { FileProducer } from './lib/producers/file.js'
import { MemoryProducer } from './lib/producers/memory.js'
import type { Producer } from './lib/producers/producer.js'
import type { Scheduler } from './lib/runtime/scheduler.js'
import { type SchemaOptions, SchemaRepository } from './lib/schemas/repository.js'
import { makeEnrich, makeTakeBack } from './lib/steps/enrich.js'
import { ErrorEvents } from './lib/steps/error-events.js'
import { makeRoute } from './lib/steps/route.js'
import { makeTransforms } from './lib/steps/transforms.js'
import { type StreamConfigObserver, StreamConfigs } from './lib/streams/config-source.js'
import { Streams } from './lib/streams/streams.js'
import type { AccountOptions } from './lib/telemetry/accounts.js'
import { type Log, LogStream, makeLog } from './lib/telemetry/log.js'
import type { Reporter } from './lib/telemetry/reporter.js'
import type { Tracing } from './lib/telemetry/tracing.js'
import { readYaml } from './lib/yaml.js'
import type { Info } from './routes/info.js'
import type { Spec } from './routes/root.js'

// Makes the parts of a configuration, for the service and for the command line.

/** A path in the package, seen from `dist/`. */
export const packaged = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))

/** What the package says about itself. */
export function readInfo(): Info {
  const { name, version, description, homepage } = JSON.parse(readFileSync(packaged('package.json'), 'utf8'))
  return { name, version, description, homepage }
}

/** The schemas that ship with the service are looked up after those of the configuration. */
export function makeSchemas(
  config: Config,
  info: Info,
  told: Pick<SchemaOptions, 'warn' | 'changed'> = {},
): SchemaRepository {
  return new SchemaRepository({
    uriField: config.schema_uri_field,
    baseUris: [...config.schema_base_uris, packaged('schemas')],
    fileExtension: config.schema_file_extension,
    allowInsecure: config.allow_insecure_schemas,
    allowAbsoluteUris: config.allow_absolute_schema_uris,
    maxSchemas: config.max_schemas,
    reload: config.reload_schemas,
    failureTtlMs: config.schema_failure_ttl_ms,
    timeoutMs: config.schema_timeout_ms,
    userAgent: userAgentOf(config, info),
    ...told,
  })
}

/** Undefined if any schema may go to any stream. Rejects if the configuration cannot be fetched. */
export async function openStreamConfigs(
  config: Config,
  info: Info,
  observer: StreamConfigObserver,
): Promise<StreamConfigs | undefined> {
  if (config.stream_config_uri === null) return undefined
  return StreamConfigs.open(
    {
      uri: config.stream_config_uri,
      headers: config.stream_config_uri_options.headers ?? {},
      objectPath: config.stream_config_object_path ?? undefined,
      destination: config.destination_event_service ?? undefined,
      topicPrefix: config.topic_prefix,
      retries: config.stream_config_retries,
      ttlMs: config.stream_config_ttl * 1000,
      minRefreshMs: config.stream_config_min_refresh_ms,
      timeoutMs: config.stream_config_timeout_ms,
      // An event of an unknown stream must not make the others of its request miss their deadline.
      patienceMs: Math.min(config.stream_config_timeout_ms, config.request_timeout_ms / 3),
      userAgent: userAgentOf(config, info),
    },
    observer,
  )
}

/** The user agent of the service's own requests. */
export function userAgentOf(config: Config, { version }: Info): string {
  return config.user_agent ?? `eventgate/${version}`
}

/** The steps of an event's way, before an operator's own module replaces any. */
export function makeSteps(
  config: Config,
  schemas: SchemaRepository,
  configs: StreamConfigs | undefined,
  produce: Steps['produce'],
): Steps {
  const streamField = config.stream_field ?? undefined
  const dtField = config.dt_field ?? undefined
  const streams = new Streams({ streamField, topicPrefix: config.topic_prefix, configs })
  const enrichment = {
    schemaUriField: config.schema_uri_field,
    streamField,
    dtField,
    idField: config.id_field ?? undefined,
    overwriteDt: config.overwrite_dt,
    idFromRequest: config.id_from_request,
    headersToFields: config.http_request_headers_to_fields,
  }
  const enrich = makeEnrich(enrichment)
  const { ua_denylist: userAgentDenylist = [] } = config.test_kitchen
  const transforms = makeTransforms(config.transforms, { userAgentDenylist })
  return {
    load: (events, context) => both(schemas.loadFor(events, context), streams.loadFor(events, context)),
    schemaFor: (event, context) => schemas.schemaFor(event, context),
    streamFor: (event, schema, context) => streams.streamFor(event, schema, context),
    enrich(event, schema, stream, context, index) {
      enrich(event, schema, stream, context, index)
      for (const transform of transforms) transform(event, schema, stream, context)
    },
    takeBack: makeTakeBack(enrichment),
    route: makeRoute(dtField),
    produce,
  }
}

function both(one: Promise<void> | undefined, other: Promise<void> | undefined): Promise<void> | undefined {
  return one && other ? Promise.all([one, other]).then(() => {}) : (one ?? other)
}

/** The fields that the gate fills in before it validates. */
export function gateFields(config: Config): GateFields {
  return {
    schemaUriField: config.schema_uri_field,
    dtField: config.dt_field ?? undefined,
    idField: config.id_field ?? undefined,
    overwriteDt: config.overwrite_dt,
  }
}

/** What the explainer needs to explain the gate's refusals. */
export function knownTo(
  config: Config,
  schemas: SchemaRepository,
  configs: StreamConfigs | undefined,
): Known {
  return {
    schemas,
    streams: configs && (() => configs.table.settings),
    schemaUriField: config.schema_uri_field,
    streamField: config.stream_field ?? undefined,
    dtField: config.dt_field ?? undefined,
    readEvent: text => readBody(Buffer.from(text)).events[0],
  }
}

/** The server makes service-runner log into pino. A worker that service-runner started has only the configuration. */
export function logOf(logging: unknown, name: string): Log {
  const { streams } = (logging ?? {}) as { streams?: { stream?: unknown }[] }
  const stream = streams?.[0]?.stream
  return stream instanceof LogStream ? stream.log : makeLog((logging ?? {}) as Logging, name)
}

/** What a request weighs beside its body, in bytes: its head, its answer, what is remembered of it. */
const REQUEST_BYTES = 4096

/** The account of what requests cost. */
export function makeAdmission(config: Config): Admission {
  const room = (maxBytes: number, maxEvents: number) => ({
    maxBytes,
    maxEvents,
    maxRequests: Math.ceil(maxBytes / REQUEST_BYTES),
  })
  return new Admission({
    guaranteed: room(config.max_bytes_in_flight, config.max_events_in_flight),
    hasty: room(config.hasty_max_bytes, config.hasty_max_events),
  })
}

/** What the accounts of streams need to know. */
export function accountOptions(config: Config): AccountOptions {
  return {
    streamField: config.stream_field ?? undefined,
    eventTimeField: config.event_time_field ?? undefined,
    quietAfter: config.quiet_after,
    classes: config.stream_classes,
    destination: config.destination_event_service ?? undefined,
    errorStream: config.error_stream ?? undefined,
    countsExperiments: config.transforms.includes('testKitchen'),
  }
}

/** What reads the head and the body of requests for events. */
export function makeRequestReaders(
  config: Config,
): Pick<IntakeOptions, 'requestTimeoutMs' | 'readQuery' | 'clientAddress' | 'bodies'> {
  return {
    requestTimeoutMs: config.request_timeout_ms,
    readQuery: makeQueryReader({
      schemaUri: config.schema_uri_query_param,
      stream: config.stream_query_param,
    }),
    clientAddress: config.trusted_proxies,
    bodies: new BodyReader({ maxBytes: config.max_body_size }),
  }
}

/** Loads schemas before their first event. A missing one only warns: it may become available before it is needed. */
export async function precache(config: Config, schemas: SchemaRepository, log: Log): Promise<void> {
  const own = config.error_stream === null ? [] : [config.error_schema_uri]
  const uris = [...new Set([...config.schema_precache_uris, ...own])]
  await schemas.load(uris)
  for (const uri of uris) {
    try {
      schemas.get(uri)
    } catch (error) {
      log.warn({ schema_uri: uri }, `not precached: ${(error as GateError).message}`)
    }
  }
}

/** Guaranteed and hasty events have separate Kafka producers, so that neither can hold up the other. */
export async function openProducers(
  config: Config,
  reporter: Reporter,
  tracing: Tracing | undefined,
  scheduler: Scheduler,
  spool?: Spooling<Delivery>,
): Promise<Record<Delivery, Producer>> {
  const { producer, kafka, output_path, should_pretty_print, workers } = config
  if (producer === 'kafka' && kafka) {
    const open = (delivery: Delivery, soon: (callback: () => void) => void) =>
      new KafkaProducer(
        { ...kafka[delivery], sender: { ...kafka[delivery].sender, ...spool?.spilling[delivery] } },
        { ...reporter.ofKafka(delivery), ...tracing?.ofKafka(delivery) },
        soon,
      )
    const guaranteed = open('guaranteed', callback => scheduler.urgent(callback))
    // Encoding and compressing a batch takes as long as some requests do.
    const hasty = open('hasty', callback => void scheduler.resume('hasty').then(callback))
    if (kafka.requiredAtStart) await guaranteed.reach()
    // The first event must not wait for connections and a producer id, nor reveal that a broker is not supported.
    const starting = spool?.start([guaranteed.sender, hasty.sender])
    await Promise.all([guaranteed.prepare(), hasty.prepare(), starting])
    return { guaranteed, hasty }
  }
  const made =
    producer === 'memory'
      ? new MemoryProducer()
      : await FileProducer.open(output_path, { pretty: should_pretty_print, isShared: workers > 1 })
  return { guaranteed: made, hasty: made }
}

export function makeErrorEvents(
  config: Config,
  info: Info,
  schemas: SchemaRepository,
  steps: Steps,
  reporter: Reporter,
  accounts: Accounts,
): ErrorEvents | undefined {
  const { error_stream: stream, error_schema_uri: schemaUri } = config
  if (stream === null) return undefined
  // A gate of their own, whose failures only the metrics report, so that there is no loop.
  const observe: Observer = (outcome, context, index) => reporter.errorEvent(outcome, context, index)
  const gate = new EventGate(steps, observe, undefined, false, accounts)
  return new ErrorEvents(
    {
      ...{ stream, schemaUri, emitterId: userAgentOf(config, info), maxPending: config.max_error_events },
      maxBytes: config.kafka?.hasty.sender.maxRequestBytes ?? Infinity,
    },
    {
      process: (events, context) => gate.process(events, context),
      dropped: context => reporter.errorEventDropped(context),
      async schema() {
        await schemas.load([schemaUri])
        try {
          return schemas.get(schemaUri)
        } catch {
          return undefined
        }
      },
    },
  )
}

/** The OpenAPI document of the service. */
export function readSpec({ version }: Info): Spec {
  const text = readFileSync(packaged('dist/static/spec.yaml'), 'utf8')
  const spec = readYaml(text, { maxValues: 10_000, maxDepth: 100 }).value as Spec
  return { ...spec, info: { ...spec.info, version } }
}
