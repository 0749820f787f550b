import { readFileSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express'
import { register } from 'prom-client'
import { type Config, readConf } from './lib/config/config.js'
import type { Logging } from './lib/config/file.js'
import { wholly } from './lib/dev/entry-view.js'
import { LocalOnly } from './lib/dev/host-check.js'
import { Recorder } from './lib/dev/recorder.js'
import { Recording } from './lib/dev/recording.js'
import { GateError, quote } from './lib/errors.js'
import { type Context, type Delivery, EventGate, type Observer, type Steps } from './lib/eventgate.js'
import { Comparison } from './lib/evolution/comparison.js'
import { SchemaEdits } from './lib/evolution/edits.js'
import { DryRun } from './lib/explain/dry-run.js'
import { Explainer } from './lib/explain/explainer.js'
import { applyFactory } from './lib/factory.js'
import { Admission, type RoomLimits } from './lib/http/admission.js'
import { Connections } from './lib/http/connections.js'
import { Responder } from './lib/http/responder.js'
import { createServer } from './lib/http/server.js'
import { KafkaProducer } from './lib/kafka/producer.js'
import { FileProducer, MemoryProducer, type Producer } from './lib/producers/producer.js'
import { yieldToEventLoop } from './lib/runtime/event-loop.js'
import { Scheduler } from './lib/runtime/scheduler.js'
import type { SchemaRepository } from './lib/schemas/repository.js'
import { ErrorEvents } from './lib/steps/error-events.js'
import type { StreamConfigs } from './lib/streams/streams.js'
import { Health } from './lib/telemetry/health.js'
import { type Log, LogStream, makeLog } from './lib/telemetry/log.js'
import { Metrics } from './lib/telemetry/reporter.js'
import { Tracing } from './lib/telemetry/tracing.js'
import { readYaml } from './lib/yaml.js'
import { DevRoutes } from './routes/dev.js'
import { PageRoutes } from './routes/dev-page.js'
import { type EventsOptions, EventsRoute } from './routes/events.js'
import { type Info, infoRoutes } from './routes/info.js'
import { rootRoutes, type Spec } from './routes/root.js'
import { streamRoutes } from './routes/streams.js'
import {
  gateFields,
  knownTo,
  makeSchemas,
  makeSteps,
  openStreamConfigs,
  packaged,
  readInfo,
  userAgentOf,
} from './wiring.js'

/** What service-runner hands to the app. */
export interface AppOptions {
  name: string
  config: Record<string, unknown>
}

/** A running service. */
export interface App {
  /** Where it listens. */
  port: number
  /** Stops accepting, finishes what is in flight, flushes the producers. Rejects if it had to give up any of it. */
  close(): Promise<void>
}

/** service-runner's entry: wires everything, top to bottom, and listens. Resolves once it is ready for events. */
export async function app({ name, config: conf }: AppOptions): Promise<App> {
  const config = readConf(conf)
  const info = readInfo()
  const log = logOf(conf.logging, name)
  const metrics = new Metrics(register, log, serviceLabel(conf.metrics, name))
  metrics.ofBuild(register, info.version)
  const tracing = Tracing.open(info.version)
  const admission = new Admission({
    guaranteed: roomOf(config.max_bytes_in_flight, config.max_events_in_flight),
    hasty: roomOf(config.hasty_max_bytes, config.hasty_max_events),
  })
  const schemas = makeSchemas(config, info, {
    warn: message => log.warn(message),
    changed: (older, newer) => dev?.edits.changed(older, newer),
  })
  const configs = await openStreamConfigs(config, info, metrics.ofStreamConfigs())
  await precache(schemas, precached(config), log)
  for (const { path, message } of config.warnings) log.warn(`${path} ${message}`)
  if (config.memory !== null) log.info(config.memory)
  const scheduler = new Scheduler()
  const producers = await openProducers(config, metrics, tracing, scheduler)
  const own = makeSteps(config, schemas, configs, (event, destination, deadline) =>
    producers[destination.delivery].produce(event, destination, deadline),
  )
  const steps = await applyFactory(config.eventgate_factory_module, { conf, log, steps: own })
  const errorEvents = makeErrorEvents(config, info, schemas, steps, metrics)
  const explainer = new Explainer(steps, knownTo(config, schemas, configs))
  const dev: Dev | undefined = config.dev_ui ? makeDev(config, schemas, explainer, steps) : undefined
  const observe: Observer = (outcome, context, index) => {
    metrics.outcome(outcome, context, index)
    errorEvents?.consider(outcome, context, index)
    dev?.recording.outcome(outcome, context, index)
  }
  const pause = ({ delivery }: Context) => scheduler.resume(delivery)
  const gate = new EventGate(steps, observe, pause, dev !== undefined)

  const connections = new Connections({ max: config.max_connections, maxAgeMs: config.connection_max_age_ms })
  const watched = { connections, admission, schemas, configs, producers }
  const health = new Health(watched, config.unready_without_kafka_ms)
  metrics.watch(register, watched, health)
  const responder = new Responder(config, connections)
  const refused: EventsOptions['refused'] = dev && ((...what) => dev.recording.refusedRequest(...what))
  const dryRun = config.validate_endpoint ? new DryRun(steps, explainer) : undefined
  const events = new EventsRoute({
    ...{ config, gate, admission, scheduler, connections, responder, metrics, tracing },
    ...{ refused, dryRun },
  })
  const web = initApp(responder, metrics)
  loadRoutes(web, {
    ...{ events, info, health, responder, configs, dev },
    validates: config.validate_endpoint,
    spec: readSpec(info, config),
    hasTestEvents: config.test_events.length > 0,
  })
  // What no route of Express takes, not even the last, is answered like anything else.
  const unrouted = (req: IncomingMessage, res: ServerResponse) =>
    responder.refuse(req, res, new GateError('route_not_found', 'there is no such thing here'))
  const server = createServer(
    {
      web: (req, res) => web(req as Request, res as Response, () => unrouted(req, res)),
      ...{ events, responder, connections },
      unreadable: status => metrics.answered('unknown', 'other', status, 0),
    },
    { request: config.request_timeout_ms, keepAlive: config.keep_alive_timeout_ms },
  )
  const port = await listen(server, config)

  const sinks = [...new Set(Object.values(producers).map(producer => producer.name))].join(', ')
  const repositories = config.schema_base_uris.join(', ') || 'those that ship with it'
  log.info(
    { port },
    `eventgate ${info.version} is ready on port ${port}: events go to ${sinks}, schemas come from ${repositories}`,
  )

  return {
    port,
    async close() {
      const startedAt = Date.now()
      const { idleMs, answerMs, endMs } = config.shutdown
      const left = (ms: number) => Math.max(0, startedAt + ms - Date.now())
      const closed = server.drain(idleMs)
      const lostBefore = metrics.lost
      configs?.close()
      dev?.routes.close()
      const all = [...new Set(Object.values(producers))]
      for (const producer of all) producer.flush?.()
      // Until then requests come that were under way on idle connections, also where nothing else is in flight.
      await Promise.race([closed, delay(idleMs, undefined, { ref: false })])
      const requests = events.close()
      const finished = requests.then(() => errorEvents?.idle())
      let answered = false
      void requests.then(() => {
        answered = true
      })
      const finishedWithin = (ms: number) =>
        Promise.race([finished.then(() => true), delay(left(ms), false, { ref: false })])
      let undecided = 0
      let toClose = all
      let inTime = await finishedWithin(answerMs)
      if (!inTime) {
        undecided = gate.waiting
        // A producer knows best what became of its events: the gate says the rest. Hasty events may have more time.
        const closing = answerMs < endMs ? all.filter(producer => producer !== producers.hasty) : all
        await Promise.all(closing.map(producer => producer.close(0)))
        gate.expire()
        await yieldToEventLoop()
        undecided += server.refuseIncomplete()
        if (undecided > 0)
          log.warn(
            `${undecided} requests were undecided and are answered so: their events are not stored, or unknown`,
          )
        toClose = all.filter(producer => !closing.includes(producer))
        inTime = await finishedWithin(endMs)
      }
      // What cannot be finished in time is settled by the producers, so that it is counted and not just gone.
      await Promise.all(toClose.map(producer => producer.close(left(endMs))))
      // Whoever is still sending then is not waited for.
      if (inTime || answered) server.closeUnanswered()
      else server.closeAllConnections()
      await finished
      await closed
      const lost = metrics.lost - lostBefore
      if (lost > 0) throw new Error(`${lost} events are lost that could not be stored before the end`)
      if (!inTime || undecided > 0)
        throw new Error('some of what was in flight could not be finished in time')
      log.info('all that was in flight is finished')
    },
  }
}

/** Without the routes that are not there with this configuration: monitoring tries what the document has. */
function readSpec({ version }: Info, { dev_ui, validate_endpoint, test_events }: Config): Spec {
  const text = readFileSync(packaged('dist/static/spec.yaml'), 'utf8')
  const spec = readYaml(text, { maxValues: 10_000, maxDepth: 100 }).value as Spec
  const absent = Object.entries({
    '/_dev/': dev_ui,
    '/v1/validate': validate_endpoint,
    '/v1/_test/events': test_events.length > 0,
  }).flatMap(([start, isThere]) => (isThere ? [] : [start]))
  const paths = Object.entries(spec.paths).filter(([path]) => !absent.some(start => path.startsWith(start)))
  return { ...spec, info: { ...spec.info, version }, paths: Object.fromEntries(paths) }
}

/** service-runner's logging ends in pino where the server arranged for it; a worker of its own has the configuration. */
function logOf(logging: unknown, name: string): Log {
  const { streams } = (logging ?? {}) as { streams?: { stream?: unknown }[] }
  const stream = streams?.[0]?.stream
  return stream instanceof LogStream ? stream.log : makeLog((logging ?? {}) as Logging, name)
}

/** The value of the label `service`, null where the environment says that Prometheus adds it by itself. */
function serviceLabel(metrics: unknown, name: string): string | null {
  if (process.env.METRICS_SERVICE_LABEL_ENABLED === 'false') return null
  return (metrics as { name?: string }[] | undefined)?.[0]?.name ?? name
}

/** What a request weighs beside its body, bytes: its head, its answer, what is noted of it. */
const REQUEST_BYTES = 4096

function roomOf(maxBytes: number, maxEvents: number): RoomLimits {
  return { maxBytes, maxEvents, maxRequests: Math.ceil(maxBytes / REQUEST_BYTES) }
}

function precached(config: Config): string[] {
  const own = config.error_stream === null ? [] : [config.error_schema_uri]
  return [...new Set([...config.schema_precache_uris, ...own])]
}

/** A schema that cannot be had now may be had when its first event comes: that is worth a warning, not the start. */
async function precache(schemas: SchemaRepository, uris: readonly string[], log: Log): Promise<void> {
  await schemas.load(uris)
  for (const uri of uris) {
    try {
      schemas.get(uri)
    } catch (error) {
      log.warn({ schema_uri: uri }, `not precached: ${(error as GateError).message}`)
    }
  }
}

/** Guaranteed and hasty events share no Kafka producer: neither can hold up the other. */
async function openProducers(
  config: Config,
  metrics: Metrics,
  tracing: Tracing | undefined,
  scheduler: Scheduler,
): Promise<Record<Delivery, Producer>> {
  const { producer, kafka, output_path, should_pretty_print } = config
  if (producer === 'kafka' && kafka) {
    const open = (delivery: Delivery, soon: (callback: () => void) => void) =>
      new KafkaProducer(
        kafka[delivery],
        { ...metrics.ofKafka(delivery), ...tracing?.ofKafka(delivery) },
        soon,
      )
    const guaranteed = open('guaranteed', callback => scheduler.urgent(callback))
    // To encode and compress a batch takes as long as some requests do.
    const hasty = open('hasty', callback => void scheduler.resume('hasty').then(callback))
    if (kafka.requiredAtStart) await guaranteed.reach()
    // Nor is the first event to wait for connections and a producer id, or to tell of a broker that is not supported.
    await Promise.all([guaranteed.prepare(), hasty.prepare()])
    return { guaranteed, hasty }
  }
  const made =
    producer === 'memory'
      ? new MemoryProducer()
      : await FileProducer.open(output_path, { pretty: should_pretty_print })
  return { guaranteed: made, hasty: made }
}

function makeErrorEvents(
  config: Config,
  info: Info,
  schemas: SchemaRepository,
  steps: Steps,
  metrics: Metrics,
): ErrorEvents | undefined {
  const { error_stream: stream, error_schema_uri: schemaUri } = config
  if (stream === null) return undefined
  // A gate of their own, whose failures nobody tells of but the metrics: never a loop.
  const gate = new EventGate(steps, (outcome, context, index) => metrics.errorEvent(outcome, context, index))
  return new ErrorEvents(
    {
      ...{ stream, schemaUri, emitterId: userAgentOf(config, info), maxPending: config.max_error_events },
      maxBytes: config.kafka?.hasty.sender.maxRequestBytes ?? Infinity,
    },
    {
      process: (events, context) => gate.process(events, context),
      dropped: context => metrics.errorEventDropped(context),
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

/** What a developer's page and tests look at. */
interface Dev {
  edits: SchemaEdits
  recording: Recording
  routes: DevRoutes
  localOnly: LocalOnly
  page: PageRoutes
}

/** Null where none can be made. */
async function sampleOf(schemas: SchemaRepository, uri: string): Promise<unknown> {
  await schemas.load([uri])
  try {
    return schemas.menderOf(schemas.get(uri))?.sample() ?? null
  } catch {
    return null
  }
}

function makeDev(config: Config, schemas: SchemaRepository, explainer: Explainer, steps: Steps): Dev {
  const recorder = new Recorder()
  const localOnly = new LocalOnly(config.dev_hosts)
  const { schema_uri_field: schemaUriField, stream_field } = config
  const recording = new Recording(recorder, { schemaUriField, streamField: stream_field ?? undefined })
  const edits = new SchemaEdits(new Comparison(steps, gateFields(config)), schemas)
  const routes = new DevRoutes({
    recorder,
    edits: () => edits.latest(),
    whole: (entry, explains) => wholly(entry, explainer, explains),
    schemas: {
      list: () => schemas.list(),
      async show(uri) {
        const schema = await schemas.show(uri)
        const examples = Array.isArray(schema.examples) ? schema.examples : []
        return { uri, schema, examples, sample: await sampleOf(schemas, uri) }
      },
    },
    localOnly,
  })
  return { edits, recording, routes, localOnly, page: new PageRoutes(packaged('dist/static/dev'), localOnly) }
}

/** The Express app before its routes: what holds for every answer. */
function initApp(responder: Responder, metrics: Metrics): Express {
  const web = express()
  web.disable('x-powered-by')
  web.disable('etag')
  web.use((req, res, next) => {
    const receivedAt = Date.now()
    const { path } = req
    const headers = responder.headersFor(req)
    for (let i = 0; i < headers.length; i += 2) res.setHeader(headers[i] as string, headers[i + 1] as string)
    // The events routes count their own requests.
    res.on('finish', () => {
      if (res.locals.counted === true) return
      metrics.answered(res.locals.route ?? routeOf(path), req.method, res.statusCode, Date.now() - receivedAt)
    })
    next()
  })
  return web
}

/** What can be got, by the routes' own names: nothing that a client made up becomes a label. */
const ROUTES = new Set([
  ...['robots.txt', '_info', '_info/name', '_info/version', '_info/home'],
  ...['_info/live', '_info/ready', '_info/startup', '_info/health'],
  ...['v1/events', 'v2/events', 'v1/_test/events', 'v1/stream-configs'],
])

function routeOf(path: string): string {
  const name = path.replace(/^\/|\/$/g, '')
  if (name === '') return 'root'
  if (ROUTES.has(name)) return name
  return /^v1\/stream-configs\/[^/]+$/.test(name) ? 'v1/stream-configs' : 'unknown'
}

interface Routes {
  events: EventsRoute
  info: Info
  health: Health
  responder: Responder
  spec: Spec
  hasTestEvents: boolean
  configs: StreamConfigs | undefined
  dev: Dev | undefined
  validates: boolean
}

function loadRoutes(web: Express, routes: Routes): void {
  const { events, info, health, responder, spec, hasTestEvents, configs, dev, validates } = routes

  for (const path of ['v1/events', 'v2/events']) {
    web.all(`/${path}`, (req, res) => {
      res.locals.counted = req.method === 'POST'
      events.handle(req, res, path)
    })
  }
  if (validates) {
    web.all('/v1/validate', (req, res) => {
      res.locals.route = 'v1/validate'
      res.locals.counted = req.method === 'POST'
      const error = dev?.localOnly.refusalOf(req)
      if (error) {
        res.locals.counted = false
        return responder.refuse(req, res, error)
      }
      if (req.method === 'POST') events.validate(req, res, 'v1/validate')
      else events.handle(req, res, 'v1/validate')
    })
  }
  if (hasTestEvents) {
    web.get('/v1/_test/events', (req, res, next) => {
      // Express has a route's GET answer HEAD too, and this one produces.
      if (req.method === 'HEAD') return next()
      res.locals.counted = true
      events.postTestEvents(req, res, 'v1/_test/events')
    })
  }
  web.use(
    '/v1/stream-configs',
    streamRoutes({
      all: () => configs?.table.settings ?? {},
      of: name => configs?.table.settingsOf(name),
    }),
  )
  web.use('/_info', infoRoutes(info, health, responder))
  if (dev) {
    web.use(dev.page.router())
    web.use('/_dev', dev.routes.router())
  }
  web.use('/', rootRoutes(spec))
  web.use((req, res) => {
    const route = routeOf(req.path)
    const isThere = route !== 'unknown' && (hasTestEvents || !req.path.startsWith('/v1/_test'))
    const allowed = route === 'v1/_test/events' ? ['GET'] : ['GET', 'HEAD']
    if (isThere && !allowed.includes(req.method)) {
      const error = new GateError('method_not_allowed', `${quote(req.method)} is not allowed here: GET it`)
      return responder.refuse(req, res, error, ['allow', allowed.join(', ')])
    }
    responder.refuse(
      req,
      res,
      new GateError(
        'route_not_found',
        `there is no ${quote(req.path)} here: events are POSTed to /v1/events`,
      ),
    )
  })
  const onError: ErrorRequestHandler = (error, req, res, _next) => {
    const refused =
      error.status < 500 ? new GateError('request_malformed', error.message) : GateError.from(error)
    if (!res.headersSent) responder.refuse(req, res, refused)
  }
  web.use(onError)
}

async function listen(server: Server, config: Config): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.port, config.interface ?? undefined, () => resolve())
  })
  return (server.address() as AddressInfo).port
}
