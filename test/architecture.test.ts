import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { ROOT } from './support/service.js'

const SRC = join(ROOT, 'src')
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(file =>
  /(?<!\.d)\.ts$/.test(file),
)

/** What a file imports: packages by name, own files by their path in src. */
function importsOf(file: string): string[] {
  const specifiers = [
    ...readFileSync(join(SRC, file), 'utf8').matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'/gms),
  ].map(match => match[1] as string)
  return specifiers.map(name =>
    name.startsWith('.') ? normalize(join(dirname(file), name)).replace(/\.js$/, '.ts') : name,
  )
}

/** Who alone may import a package. */
const PACKAGES: [RegExp, RegExp][] = [
  [/^express$/, /^(app|routes\/.*)\.ts$/],
  [
    /^(ajv|ajv-formats|ajv-draft-04|json-schema-traverse)(\/|$)/,
    /^lib\/(config|schemas|explain\/repair)(\/.*)?\.ts$/,
  ],
  [/^js-yaml$/, /^lib\/yaml\.ts$/],
  [/^redos-detector$/, /^lib\/(patterns|regexp\/safety)\.ts$/],
  [/^node-fetch$/, /^lib\/(source|remote\/fetch-text)\.ts$/],
  [/^kafkajs/, /^lib\/kafka\/cluster\.ts$/],
  [/^service-runner$/, /^server\.ts$/],
  [/^pino$/, /^lib\/(log|telemetry\/log)\.ts$/],
  [/^prom-client$/, /^(server|app|lib\/(metrics|telemetry)(\/\w+)?)\.ts$/],
  [/^@opentelemetry\//, /^lib\/(tracing|telemetry\/tracing)\.ts$/],
]

test('each package is known where its wall allows', () => {
  for (const file of files) {
    for (const name of importsOf(file)) {
      for (const [pack, allowed] of PACKAGES) {
        if (pack.test(name)) assert.match(file, allowed, `${file} imports ${name}`)
      }
    }
  }
})

const DOORS = new Set([
  'app.ts → lib/evolution/comparison.ts',
  'app.ts → lib/evolution/edits.ts',
  'wiring.ts → lib/evolution/comparison.ts',
  'app.ts → lib/kafka/producer.ts',
  'cli/check/schemas.ts → lib/evolution/comparison.ts',
  'cli/check/report.ts → lib/evolution/comparison.ts',
  'index.ts → lib/kafka/config.ts',
  'index.ts → lib/kafka/producer.ts',
  'lib/config/config.ts → lib/kafka/config.ts',
  'lib/telemetry/reporter.ts → lib/kafka/sender.ts',
])

/** Folders of concerns that stand for themselves, each with a file of its name. */
const OPEN = new Set(
  'http runtime steps config regexp remote producers streams schemas explain dev telemetry kafka'.split(' '),
)

test('imports go one way: server, app, routes, lib; the core knows the errors only', () => {
  for (const file of files) {
    const own = importsOf(file).filter(name => name.endsWith('.ts'))
    if (file === 'lib/errors.ts') assert.deepEqual(own, [], file)
    if (file === 'lib/eventgate.ts') assert.deepEqual(own, ['lib/errors.ts'], file)
    if (file.startsWith('lib/'))
      for (const name of own) assert.match(name, /^lib\//, `${file} imports ${name}`)
    if (file.startsWith('routes/'))
      for (const name of own) assert.match(name, /^lib\//, `${file} imports ${name}`)
    if (file === 'server.ts')
      for (const name of own)
        assert.match(
          name,
          /^lib\/((collector|config|log|metrics|tracing)|runtime\/gc|config\/config|telemetry\/(log|reporter|tracing))\.ts$/,
          `${file} imports ${name}`,
        )
    // What lies in a folder belongs to the file of the same name; Kafka's has two doors, and one for its types.
    for (const name of own) {
      const [, folder] = /^lib\/(\w+)\//.exec(name) ?? []
      const inside = file === `lib/${folder}.ts` || file.startsWith(`lib/${folder}/`)
      if (folder && OPEN.has(folder)) continue
      if (folder && !inside) assert.ok(DOORS.has(`${file} → ${name}`), `${file} imports ${name}`)
    }
  }
})
