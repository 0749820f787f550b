/** The chart, as far as it can be held without Helm: `npm run check:operators` does the rest. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { load } from 'js-yaml'
import { readConf } from '#src/lib/config/config.js'
import { OPTIONS } from '#src/lib/config/options/options.js'
import { NOT_REAL, ROOT, WIKIMEDIA } from '../support/service.js'
import {
  CHART,
  CHART_README,
  defaults,
  generatedReadme,
  generatedSchema,
  type JsonSchema,
  SCHEMA,
} from './chart-schema.js'

type Json = Record<string, unknown>

const isValid = new Ajv({ allErrors: true, strict: false }).compile(JSON.parse(readFileSync(SCHEMA, 'utf8')))
const valuesOf = (file: string) => load(readFileSync(join(CHART, 'values', file), 'utf8')) as Json

/** Values over others, as Helm has it: maps are merged, and null takes a default away. */
function over(base: Json, values: Json): Json {
  const merged = { ...base }
  for (const [name, value] of Object.entries(values)) {
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (value === null) delete merged[name]
    else merged[name] = isMap ? over((base[name] as Json | undefined) ?? {}, value as Json) : value
  }
  return merged
}

function problemsOf(values: Json): string[] {
  if (isValid(over(defaults(), values))) return []
  return (isValid.errors ?? []).map(({ instancePath, message, params }) =>
    `${instancePath} ${message} ${params.additionalProperty ?? ''}`.trim(),
  )
}

test("the schema of values and the README's table are those of the code: npm run docs makes them", () => {
  assert.equal(readFileSync(SCHEMA, 'utf8'), generatedSchema())
  assert.equal(readFileSync(CHART_README, 'utf8'), generatedReadme())
})

test('the image starts Node.js as the chart does', () => {
  const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
  assert.ok(dockerfile.includes(`\nENV NODE_OPTIONS="${defaults().nodeOptions}"\n`))
})

test('every value is described, has a default, and has its row', () => {
  const readme = readFileSync(CHART_README, 'utf8')
  const walk = (path: string, schema: JsonSchema, value: unknown) => {
    assert.notEqual(value, undefined, `${path} has no default in values.yaml`)
    if (schema.description !== undefined) assert.ok(readme.includes(`| \`${path}\` |`), path)
    else assert.ok(schema.properties, `${path} is not described`)
    for (const [name, sub] of Object.entries(
      schema.description === undefined ? (schema.properties ?? {}) : {},
    ))
      walk(`${path}.${name}`, sub, (value as Json)[name])
  }
  const { properties = {} } = JSON.parse(readFileSync(SCHEMA, 'utf8')) as JsonSchema
  for (const [name, sub] of Object.entries(properties))
    if (name !== 'global') walk(name, sub, defaults()[name])
})

test('the defaults and every values file are valid, and the service takes their config', () => {
  const files = readdirSync(join(CHART, 'values'))
  assert.equal(files.length, 5)
  assert.deepEqual(problemsOf({}), [])
  for (const file of files) {
    const values = valuesOf(file)
    assert.deepEqual(problemsOf(values), [], file)
    const { config } = over(defaults(), values) as { config: Json }
    assert.equal(readConf(config).kafka === null, file === 'try.yaml', file)
  }
})

test('what is wrong with values is said of the value', () => {
  const wrong: [values: Json, problem: RegExp][] = [
    [{ replica: 3 }, /^must NOT have additional properties replica$/],
    [{ replicas: '3' }, /^\/replicas must be integer/],
    [{ image: { digest: 'latest' } }, /^\/image\/digest must match/],
    [{ config: { request_timeout: 1 } }, /^\/config must NOT have additional properties request_timeout$/],
    [{ config: { request_timeout_ms: '9s' } }, /^\/config\/request_timeout_ms must be integer/],
    [{ config: { kafka: { conf: { 'linger.msec': 1 } } } }, /^\/config\/kafka\/conf must .* linger\.msec$/],
    [{ logging: { level: 'loud' } }, /^\/logging\/level must be equal to one of the allowed values/],
    [{ podDisruptionBudget: { maxUnavailable: '1' } }, /^\/podDisruptionBudget\/maxUnavailable must match/],
  ]
  for (const [values, problem] of wrong) {
    const problems = problemsOf(values)
    assert.equal(problems.length, 1, JSON.stringify(values))
    assert.match(problems[0] as string, problem)
  }
})

test('every option can be set, and null sets those that it can', () => {
  const { properties } = JSON.parse(readFileSync(SCHEMA, 'utf8')) as { properties: { config: JsonSchema } }
  for (const [name, option] of Object.entries(OPTIONS)) {
    assert.ok(properties.config.properties?.[name], name)
    assert.ok(isValid({ config: { [name]: option.default } }), `${name}: ${JSON.stringify(option.default)}`)
  }
})

test('the schema of values has no expression that Go does not have: Helm would refuse the chart', () => {
  const patterns = [...readFileSync(SCHEMA, 'utf8').matchAll(/"pattern": (".*")/g)].map(([, pattern = '']) =>
    String(JSON.parse(pattern)),
  )
  assert.ok(patterns.length > 3)
  for (const pattern of patterns) assert.doesNotMatch(pattern, /\(\?[=!<]|\\[1-9k]/)
})

test("what the chart's README links to is there", () => {
  const text = readFileSync(CHART_README, 'utf8')
  const links = [...text.matchAll(/\]\(([^)#]+)/g)].map(([, target = '']) => target)
  assert.ok(links.length > 5)
  for (const target of links) assert.ok(existsSync(join(CHART, target)), target)
})

test('the chart is of the version of the package', () => {
  const { appVersion } = load(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as { appVersion: string }
  assert.equal(appVersion, JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version)
})

test("production's clusters have their figures", () => {
  const figuresOf = (name: string) => {
    const { replicas, clientTimeoutSeconds, heapLimitMb, resources, config } = valuesOf(`${name}.yaml`)
    return [replicas, clientTimeoutSeconds, heapLimitMb, resources, (config as Json).request_timeout_ms]
  }
  const resources = (requests: [string, string], limits: [string, string]) => ({
    requests: { cpu: requests[0], memory: requests[1] },
    limits: { cpu: limits[0], memory: limits[1] },
  })
  const main = resources(['400m', '300Mi'], ['2', '1Gi'])
  const small = resources(['200m', '150Mi'], ['1500m', '300Mi'])
  const external = resources(['200m', '300Mi'], ['1500m', '400Mi'])
  assert.deepEqual(figuresOf('main'), [10, 62, 500, main, 19_000])
  assert.deepEqual(figuresOf('analytics'), [30, 10, 200, small, 9000])
  assert.deepEqual(figuresOf('analytics-external'), [30, 10, 200, external, 4500])
  assert.deepEqual(figuresOf('logging-external'), [4, 10, 200, small, 9000])
})

test('events that must arrive have a volume of their own, and what else production spools ends with its pod', () => {
  const storageOf = (name: string) => (valuesOf(name).spool as { storage: string } | undefined)?.storage
  assert.equal((defaults().spool as { storage: string }).storage, 'none')
  assert.equal(storageOf('main.yaml'), 'persistent')
  for (const name of ['analytics', 'analytics-external', 'logging-external'])
    assert.equal(storageOf(`${name}.yaml`), 'emptyDir', name)
})

const clusters = join(WIKIMEDIA, 'clusters')

/** What is another in every datacentre, and what the chart itself fills in. */
const ADDRESSES = ['port', 'stream_config_uri', 'schema_base_uris', 'request_timeout_ms']
/** It means what is built in. */
const BUILT_IN = ['eventgate_factory_module']
/** The original had none; they are ours to fit to its pods. */
const BOUNDS = ['max_bytes_in_flight', 'hasty_max_bytes', 'max_events_in_flight', 'hasty_max_events']

test("production's values files have the options of production's configurations", { skip: NOT_REAL }, () => {
  for (const name of ['main', 'analytics', 'analytics-external', 'logging-external']) {
    const text = readFileSync(join(clusters, `eventgate-${name}.config.yaml`), 'utf8')
    const file = load(text) as { services: [{ conf: Json }] }
    const values = valuesOf(`${name}.yaml`) as { config: Json; serviceName: string }
    assert.equal(values.serviceName, `eventgate-${name}`)
    const withoutAddresses = (conf: Json) => {
      const kafka = conf.kafka as { conf: Json }
      const { 'metadata.broker.list': _, 'ssl.ca.location': __, ...properties } = kafka.conf
      const rest = Object.entries(conf).filter(
        ([option]) => ![...ADDRESSES, ...BUILT_IN, ...BOUNDS].includes(option),
      )
      return { ...Object.fromEntries(rest), kafka: { ...kafka, conf: properties } }
    }
    assert.deepEqual(withoutAddresses(values.config), withoutAddresses(file.services[0].conf), name)
    const { schema_base_uris: uris } = values.config as { schema_base_uris: string[] }
    assert.equal(uris.length, (file.services[0].conf.schema_base_uris as string[]).length)
  }
})

test('what the bounds of each values file let in fits its pod: the arithmetic of docs/operations.md', () => {
  const files = readdirSync(join(CHART, 'values')).filter(file => file !== 'try.yaml')
  assert.equal(files.length, 4)
  for (const file of files) {
    const { config, resources } = over(defaults(), valuesOf(file)) as {
      config: Json
      resources: { limits: { memory: string } }
    }
    const { max_bytes_in_flight, hasty_max_bytes } = readConf({
      ...config,
      shutdown_timeout_ms: 1800,
    })
    const [, number, unit] = /^(\d+)([MG])i$/.exec(resources.limits.memory) ?? []
    const limit = Number(number) * (unit === 'G' ? 1024 : 1)
    const most = 95 + (4.5 * (max_bytes_in_flight + hasty_max_bytes)) / 1024 ** 2
    assert.ok(most < 0.8 * limit, `${file}: ${most} MiB of ${limit}`)
  }
})
