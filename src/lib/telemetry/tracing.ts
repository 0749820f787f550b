import type { IncomingMessage } from 'node:http'
import {
  type Attributes,
  context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  type Link,
  ProxyTracerProvider,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import type { Delivery, Trace } from '../eventgate.js'

const NAME = 'eventgate'
/** Links of one span. SDKs keep no more. */
const MAX_LINKS = 128
/** The name of the SDK. It is not written in the import because the package may be absent. */
const SDK = '@opentelemetry/sdk-node'
/** Time to export what is left when the service ends (ms). */
const FLUSH_MS = 1000

/** What a trace tells about a batch of a Kafka producer. */
interface TracedBatch {
  readonly topic: string
  readonly partition: number
  readonly records: readonly { readonly trace?: Trace | undefined }[]
}

/** A running SDK. */
export interface Exporting {
  /** Exports what is left, if that takes no more than a second. Never rejects. */
  end(): Promise<void>
}

/** The environment asks for traces, but no SDK is installed. */
export class NoTracing extends Error {}

/** Whether the environment asks for traces, by OpenTelemetry's variables. */
export function isTracingAskedFor(env: NodeJS.ProcessEnv): boolean {
  if (env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return false
  const exporters = env.OTEL_TRACES_EXPORTER?.trim()
  if (exporters) return exporters !== 'none'
  return Boolean(env.OTEL_EXPORTER_OTLP_ENDPOINT?.trim() || env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT?.trim())
}

/**
 * Starts the SDK if the environment asks for traces and no other SDK runs. The SDK reads the rest of `OTEL_…` itself.
 * Throws NoTracing if it is not installed.
 */
export async function startTracing(
  env: NodeJS.ProcessEnv,
  serviceName: string,
): Promise<Exporting | undefined> {
  if (!isTracingAskedFor(env) || tracerOf('') !== undefined) return undefined
  // The service has metrics and logs of its own. Without these variables the SDK would export both as well.
  env.OTEL_METRICS_EXPORTER ??= 'none'
  env.OTEL_LOGS_EXPORTER ??= 'none'
  const NodeSDK = await loadSdk()
  const sdk = new NodeSDK({ ...(env.OTEL_SERVICE_NAME ? {} : { serviceName }), instrumentations: [] })
  sdk.start()
  return {
    async end() {
      const patience = new Promise<void>(resolve => setTimeout(resolve, FLUSH_MS).unref())
      await Promise.race([sdk.shutdown().catch(() => {}), patience])
    },
  }
}

interface Sdk {
  start(): void
  shutdown(): Promise<void>
}

async function loadSdk(): Promise<new (options: object) => Sdk> {
  try {
    return (await import(SDK)).NodeSDK
  } catch (error) {
    throw new NoTracing(
      `traces are asked for (OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT), and ${SDK} cannot be loaded: ` +
        `${(error as Error).message.split('\n', 1)[0]}: npm install ${SDK}, or set OTEL_SDK_DISABLED=true`,
    )
  }
}

/** Undefined if no SDK is registered. */
function tracerOf(version: string): Tracer | undefined {
  const provider = trace.getTracerProvider()
  return provider instanceof ProxyTracerProvider
    ? provider.getDelegateTracer(NAME, version)
    : provider.getTracer(NAME, version)
}

/** The only place that knows OpenTelemetry. Whether there is tracing at all is decided at the start. */
export class Tracing {
  readonly #tracer: Tracer

  private constructor(tracer: Tracer) {
    this.#tracer = tracer
  }

  /** Undefined if no SDK is registered. */
  static open(version: string): Tracing | undefined {
    const tracer = tracerOf(version)
    return tracer && new Tracing(tracer)
  }

  /** A request of events has come. `path` is the route's name. */
  request(req: IncomingMessage, path: string, requestId: string): RequestSpan | undefined {
    return quietly(() => {
      const parent = propagation.extract(ROOT_CONTEXT, req.headers, defaultTextMapGetter)
      const [urlPath = '', query] = (req.url ?? '').split('?', 2)
      const attributes: Attributes = {
        'http.request.method': req.method ?? '',
        'http.route': `/${path}`,
        'url.scheme': 'http',
        'url.path': urlPath,
        ...(query === undefined ? {} : { 'url.query': query }),
        'network.protocol.version': req.httpVersion,
        'network.peer.address': req.socket.remoteAddress ?? '',
        ...(req.headers['user-agent'] === undefined
          ? {}
          : { 'user_agent.original': req.headers['user-agent'] }),
        'http.request.header.x-request-id': [requestId.slice(0, 200)],
      }
      const options = { kind: SpanKind.SERVER, attributes }
      const span = this.#tracer.startSpan(`${req.method} /${path}`, options, parent)
      return new RequestSpan(span, traceOf(span))
    })
  }

  /** Makes a span of each produce request that carries events of recorded traces. */
  ofKafka(delivery: Delivery): {
    begin(batches: readonly TracedBatch[]): ((problem?: string) => void) | undefined
  } {
    return { begin: batches => quietly(() => this.#produceRequest(batches, delivery)) }
  }

  #produceRequest(
    batches: readonly TracedBatch[],
    delivery: Delivery,
  ): ((problem?: string) => void) | undefined {
    const traces = new Set<Trace>()
    let events = 0
    for (const { records } of batches) {
      events += records.length
      for (const { trace } of records) if (trace?.headers) traces.add(trace)
    }
    const [first] = traces
    if (!first) return undefined
    const [batch, ...others] = batches as [TracedBatch, ...TracedBatch[]]
    const topic = others.every(({ topic }) => topic === batch.topic) ? batch.topic : undefined
    const attributes: Attributes = {
      'messaging.system': 'kafka',
      'messaging.operation.type': 'send',
      'messaging.operation.name': 'send',
      'messaging.batch.message_count': events,
      ...(topic === undefined ? {} : { 'messaging.destination.name': topic }),
      ...(others.length > 0 ? {} : { 'messaging.destination.partition.id': String(batch.partition) }),
      'eventgate.delivery': delivery,
    }
    const links: Link[] = [...traces].slice(0, MAX_LINKS).map(trace => ({ context: trace }))
    // A child of one request, so that the sampler treats both alike. The links name all requests.
    const span = this.#tracer.startSpan(
      topic === undefined ? 'send' : `send ${topic}`,
      { kind: SpanKind.PRODUCER, attributes, links },
      trace.setSpanContext(ROOT_CONTEXT, first),
    )
    return problem =>
      quietly(() => {
        if (problem !== undefined)
          span.setStatus({ code: SpanStatusCode.ERROR, message: problem.slice(0, 500) })
        span.end()
      })
  }
}

/** A request's span, which ends with its answer. */
export class RequestSpan {
  readonly trace: Trace
  readonly #span: Span
  #open = true

  constructor(span: Span, trace: Trace) {
    this.#span = span
    this.trace = trace
  }

  answered(status: number): void {
    if (!this.#open) return
    quietly(() => {
      this.#span.setAttribute('http.response.status_code', status)
      if (status < 500) return
      this.#span.setAttribute('error.type', String(status))
      this.#span.setStatus({ code: SpanStatusCode.ERROR })
    })
    this.end()
  }

  /** Ends the span of a request whose client went away. Does nothing after an answer. */
  end(): void {
    if (!this.#open) return
    this.#open = false
    quietly(() => this.#span.end())
  }
}

/** A defect of a sampler, a propagator or an exporter must not affect events. */
function quietly<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

function traceOf(span: Span): Trace {
  const { traceId, spanId, traceFlags } = span.spanContext()
  if ((traceFlags & TraceFlags.SAMPLED) === 0) return { traceId, spanId, traceFlags }
  const headers: Record<string, string> = {}
  // The client's baggage may be large, and would be in each of its events.
  const carried = propagation.deleteBaggage(trace.setSpan(context.active(), span))
  propagation.inject(carried, headers, defaultTextMapSetter)
  return { traceId, spanId, traceFlags, headers }
}
