import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Config } from './lib/config/config.js'
import type { Steps } from './lib/eventgate.js'
import type { GateFields } from './lib/evolution/comparison.js'
import type { Known } from './lib/explain/explainer.js'
import { type SchemaOptions, SchemaRepository } from './lib/schemas/repository.js'
import { makeEnrich, makeTakeBack } from './lib/steps/enrich.js'
import { makeRoute } from './lib/steps/route.js'
import { makeTransforms } from './lib/steps/transforms.js'
import { type StreamConfigObserver, StreamConfigs, Streams } from './lib/streams/streams.js'
import type { Info } from './routes/info.js'

// What a configuration comes to, for the service and for the command line.

/** Within the package, from `dist/`. */
export const packaged = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))

/** What the package says of itself. */
export function readInfo(): Info {
  const { name, version, description, homepage } = JSON.parse(readFileSync(packaged('package.json'), 'utf8'))
  return { name, version, description, homepage }
}

/** The schemas that ship with the service stand behind those of the configuration. */
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

/** Undefined where any schema may go to any stream. Rejects if it cannot be had. */
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
      // An event of an unknown stream must not cost those beside it their deadline.
      patienceMs: Math.min(config.stream_config_timeout_ms, config.request_timeout_ms / 3),
      userAgent: userAgentOf(config, info),
    },
    observer,
  )
}

/** How the service names itself. */
export function userAgentOf(config: Config, { version }: Info): string {
  return config.user_agent ?? `eventgate/${version}`
}

/** The steps of an event's way, but for those of an operator's own. */
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

/** What decides what an event looks like when it is validated. */
export function gateFields(config: Config): GateFields {
  return {
    schemaUriField: config.schema_uri_field,
    dtField: config.dt_field ?? undefined,
    idField: config.id_field ?? undefined,
    overwriteDt: config.overwrite_dt,
  }
}

/** What the gate's refusals are explained by. */
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
  }
}
