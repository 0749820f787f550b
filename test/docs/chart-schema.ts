/** Makes what the chart says of the service's options, and its README's table, of the code and of values.yaml. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { FILE } from '#src/lib/config/file.js'
import { OPTIONS } from '#src/lib/config/options/options.js'
import { NAMES } from '#src/lib/kafka/properties.js'
import { ROOT } from '../support/service.js'
import { withTables } from './tables.js'

export const CHART = join(ROOT, 'helm/eventgate')
export const SCHEMA = join(CHART, 'values.schema.json')
export const CHART_README = join(CHART, 'README.md')

export interface JsonSchema {
  description?: string
  type?: string | string[]
  properties?: Record<string, JsonSchema>
  [keyword: string]: unknown
}

/** A schema as Ajv takes it, as draft 7 has it: `nullable` is Ajv's own. */
function draft7(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(draft7)
  if (typeof schema !== 'object' || schema === null) return schema
  const { nullable, ...rest } = schema as Record<string, unknown>
  const keywords = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, draft7(value)]))
  return nullable ? { ...keywords, type: [keywords.type, 'null'].flat() } : keywords
}

function object(properties: Record<string, unknown>): JsonSchema {
  return { type: 'object', additionalProperties: false, properties: properties as Record<string, JsonSchema> }
}

/** Names of Kafka's properties; what each may be is for the service to say. */
function kafkaSchema(): JsonSchema {
  const value = { type: ['string', 'number', 'boolean', 'null'] }
  const conf = object(Object.fromEntries([...NAMES.keys()].sort().map(name => [name, value])))
  const producer = object({ conf })
  const all = { conf, topic_conf: conf, guaranteed: producer, hasty: producer }
  return { ...object({ required_at_start: { type: 'boolean' }, ...all }), type: ['object', 'null'] }
}

/** The chart's schema of values, with the service's own options in it as they are now. */
export function generatedSchema(): string {
  const schema = JSON.parse(readFileSync(SCHEMA, 'utf8')) as JsonSchema & {
    properties: { config: JsonSchema; logging: JsonSchema }
  }
  const { config, logging } = schema.properties
  const { kafka, ...options } = OPTIONS
  const described = draft7(options) as Record<string, JsonSchema>
  schema.properties.config = {
    description: config.description as string,
    ...object({ ...described, kafka: { description: kafka.description, ...kafkaSchema() } }),
  }
  schema.properties.logging = {
    description: logging.description as string,
    ...(draft7(FILE.properties.logging) as JsonSchema),
  }
  return `${JSON.stringify(schema, undefined, 2)}\n`
}

/** What is filled in elsewhere, or is only ours to pass on, is one row. */
const WHOLE = new Set(['config', 'logging', 'resources'])

function rows(): string[] {
  const found: string[] = []
  const walk = (path: string, { description, properties }: JsonSchema, value: unknown) => {
    if (description !== undefined && value !== undefined)
      found.push(`| \`${path}\` | \`${JSON.stringify(value)}\` | ${description} |`)
    if (WHOLE.has(path)) return
    for (const [name, sub] of Object.entries(properties ?? {}))
      walk(path ? `${path}.${name}` : name, sub, (value as Record<string, unknown> | undefined)?.[name])
  }
  walk('', JSON.parse(readFileSync(SCHEMA, 'utf8')), defaults())
  return found
}

/** The chart's values.yaml. */
export function defaults(): Record<string, unknown> {
  return load(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as Record<string, unknown>
}

export function generatedReadme(): string {
  return withTables('helm/eventgate/README.md', {
    values: () => ['| value | default | |', '|---|---|---|', ...rows()],
  })
}
