import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express'
import { register } from 'prom-client'
import { applyFactory } from './factory.js'
import { type Config, readConf } from './lib/config/config.js'
import { GateError, quote } from './lib/errors.js'
import { type Context, EventGate, type Observer } from './lib/eventgate.js'
import { DryRun } from './lib/explain/dry-run.js'
import { Explainer } from './lib/explain/explainer.js'
import { Connections } from './lib/http/connections.js'
import type { RequestObserver } from './lib/http/observer.js'
import { Responder } from './lib/http/responder.js'
import { createServer } from './lib/http/server.js'
import { Shutdown } from './lib/http/shutdown.js'
import { Scheduler } from './lib/runtime/scheduler.js'
import type { StreamConfigs } from './lib/streams/config-source.js'
import { Health } from './lib/telemetry/health.js'
import { serviceLabel } from './lib/telemetry/metric-set.js'
import { Reporter } from './lib/telemetry/reporter.js'
import { tell } from './lib/telemetry/totals.js'
import { Tracing } from './lib/telemetry/tracing.js'
import { Member } from './lib/workers/member.js'
import { readSelf } from './lib/workers/self.js'
import { EventsRoute } from './routes/events.js'
import { type Info, infoRoutes } from './routes/info.js'
import { mount } from './routes/mount.js'
import { rootRoutes } from './routes/root.js'
import { streamRoutes } from './routes/streams.js'
import {
  accountOptions,
  knownTo,
  logOf,
  makeAdmission,
  makeErrorEvents,
  makeRequestReaders,
  makeSchemas,
  makeSteps,
  openProducers,
  openStreamConfigs,
  precache,
  readInfo,
  readSpec,
} from './wiring.js'
import { type Dev, makeDev } from './wiring-dev.js'
import { Leftovers } from './wiring-leftovers.js'
import { GateSpool, spoolOf } from './wiring-spool.js'

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

/** The entry for service-runner: wires everything, top to bottom, and listens. Resolves once it is ready for events. */
export async function app({ name, config: conf }: AppOptions): Promise<App> {
  const self = readSelf()
  const config = readConf(conf, undefined, self?.count)
  const info = readInfo()
  const log = logOf(conf.logging, name)
  const reporter = new Reporter(register, log, serviceLabel(conf.metrics, name))
  const accounts = reporter.keepAccounts(accountOptions(config))
  const tracing = Tracing.open(info.version)
  const schemas = makeSchemas(config, info, {
    warn: message => log.warn(message),
    changed: (older, newer) => dev?.edits.changed(older, newer),
  })
  const configs = await openStreamConfigs(config, info, reporter.ofStreamConfigs())
  await precache(config, schemas, log)
  for (const { path, message } of config.warnings) log.warn(`${path} ${message}`)
  if (config.memory !== null) log.info(config.memory)
  const scheduler = new Scheduler()
  const { kafka } = config
  const spool =
    config.spool && config.producer === 'kafka' && kafka
      ? new GateSpool(spoolOf(config.spool, self), kafka, scheduler, accounts, state =>
          reporter.ofSpool(state),
        )
      : undefined
  const producers = await openProducers(config, reporter, tracing, scheduler, spool)
  const leftovers =
    spool &&
    config.spool &&
    new Leftovers(
      config.spool.directory,
      self,
      path => spool.beside(path),
      message => log.info(message),
    )
  leftovers?.start()
  const own = makeSteps(config, schemas, configs, (event, destination, deadline) =>
    producers[destination.delivery].produce(event, destination, deadline),
  )
  const steps = await applyFactory(config.eventgate_factory_module, { conf, log, steps: own })
  const errorEvents = makeErrorEvents(config, info, schemas, steps, reporter, accounts)
  const explainer = new Explainer(steps, knownTo(config, schemas, configs))
  const dev = config.dev_ui ? makeDev(config, schemas, explainer, steps) : undefined
  const observe: Observer = (outcome, context, index) => {
    reporter.outcome(outcome, context, index)
    errorEvents?.consider(outcome, context, index)
    dev?.recording.outcome(outcome, context, index)
  }
  const pause = ({ delivery }: Context) => scheduler.resume(delivery)
  const gate = new EventGate(steps, observe, pause, dev !== undefined, accounts)

  const admission = makeAdmission(config)
  const connections = new Connections({ max: config.max_connections, maxAgeMs: config.connection_max_age_ms })
  const state = spool && (() => spool.state)
  const watched = { connections, admission, schemas, configs, producers, accounts, spool: state }
  const health = new Health(watched, config.unready_without_kafka_ms)
  reporter.watch(watched, health, info.version)
  const member = Member.join({
    condition: () => health.condition,
    metrics: () => tell(register),
  })
  const { cors, csp, request_timeout_ms: readTimeoutMs } = config
  const responder = new Responder({ cors, csp, readTimeoutMs }, connections)
  const events = new EventsRoute({
    ...makeRequestReaders(config),
    admission,
    scheduler,
    connections,
    responder,
    observer: reporter,
    tracer: tracing,
    recordRefused: dev && ((...refused) => dev.recording.refusedRequest(...refused)),
    gate,
    testEvents: config.test_events,
    dryRun: config.validate_endpoint ? new DryRun(steps, explainer) : undefined,
    refusalOf: dev && (req => dev.hostCheck.refusalOf(req)),
  })
  const web = initApp(responder, reporter)
  loadRoutes(web, { events, info, health, member, responder, configs, dev })
  const server = createServer(
    {
      // Express calls this for a request that no route takes, not even the last.
      web: (req, res) => web(req as Request, res as Response, () => refuseUnrouted(responder, req, res)),
      events,
      responder,
      connections,
      observer: reporter,
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

  const parts = {
    server,
    gate,
    producers,
    closeRequests: () => events.close(),
    errorEventsIdle: async () => errorEvents?.idle(),
    closeRest() {
      configs?.close()
      dev?.routes.close()
    },
    undecided: (requests: number) =>
      log.warn(
        `${requests} requests were undecided and are answered so: their events are not stored, or unknown`,
      ),
  }
  return {
    port,
    async close() {
      const lostBefore = reporter.lost
      const endsAt = Date.now() + config.shutdown.endMs
      const isFinished = await new Shutdown(parts, config.shutdown).run()
      await leftovers?.close()
      const left = (await spool?.close(endsAt - Date.now())) ?? 0
      await member?.leave()
      if (left > 0) throw new Error(`${left} events are left in the spool, which ends with this process`)
      const lost = reporter.lost - lostBefore
      if (lost > 0) throw new Error(`${lost} events are lost that could not be stored before the end`)
      if (!isFinished) throw new Error('some of what was in flight could not be finished in time')
      log.info('all that was in flight is finished')
    },
  }
}

/** The Express app without its routes. Adds the headers of every answer, and counts it. */
function initApp(responder: Responder, observer: RequestObserver): Express {
  const web = express()
  web.disable('x-powered-by')
  web.disable('etag')
  web.use((req, res, next) => {
    const receivedAt = Date.now()
    const headers = responder.headersFor(req)
    for (let i = 0; i < headers.length; i += 2) res.setHeader(headers[i] as string, headers[i + 1] as string)
    res.on('finish', () => {
      if (res.locals.isCounted === true) return
      const label = res.locals.route ?? 'unknown'
      observer.answered(label, req.method, res.statusCode, Date.now() - receivedAt)
    })
    next()
  })
  return web
}

interface Parts {
  events: EventsRoute
  info: Info
  health: Health
  member: Member | undefined
  responder: Responder
  configs: StreamConfigs | undefined
  dev: Dev | undefined
}

function loadRoutes(web: Express, { events, info, health, member, responder, configs, dev }: Parts): void {
  const routes = [
    ...events.routes(),
    ...streamRoutes({
      all: () => configs?.table.settings ?? {},
      of: name => configs?.table.settingsOf(name),
    }),
    ...infoRoutes(info, health, responder, member),
  ]
  if (dev) {
    web.use(dev.page.router())
    web.use('/_dev', dev.routes.router())
  }
  const paths = [...routes.map(({ path }) => path), ...(dev ? ['/_dev/'] : [])]
  for (const route of [...routes, ...rootRoutes(readSpec(info), paths)]) mount(web, route, responder)
  web.use((req, res) => refuseUnrouted(responder, req, res))
  const onError: ErrorRequestHandler = (error, req, res, _next) => {
    const refused =
      error.status < 500 ? new GateError('request_malformed', error.message) : GateError.from(error)
    if (!res.headersSent) responder.refuse(req, res, refused)
  }
  web.use(onError)
}

function refuseUnrouted(responder: Responder, req: IncomingMessage, res: ServerResponse): void {
  const path = (req as { path?: string }).path ?? ''
  const message = `there is no ${quote(path)} here: events are POSTed to /v1/events`
  responder.refuse(req, res, new GateError('route_not_found', message))
}

async function listen(server: Server, config: Config): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.port, config.interface ?? undefined, () => resolve())
  })
  return (server.address() as AddressInfo).port
}
