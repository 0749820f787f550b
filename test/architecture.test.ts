import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { ROOT } from './support/service.js'

const SRC = join(ROOT, 'src')
const all = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
const sources = all.filter(file => /(?<!\.d)\.ts$/.test(file))

/**
 * The layers, lowest first. A box may import boxes of lower layers only: not its neighbours, never upwards.
 * A folder of `lib/` is a box, and so is each other file and folder of `src/`. The files directly in `lib/`
 * are one box, the core.
 */
const LAYERS = [
  ['core'],
  ['regexp', 'runtime', 'remote'],
  ['producers', 'workers'],
  ['steps', 'schemas', 'streams', 'kafka', 'spool'],
  ['explain'],
  ['evolution'],
  ['dev'],
  ['http'],
  ['config'],
  ['telemetry'],
  ['routes/', 'factory.ts'],
  ['wiring.ts', 'wiring-spool.ts', 'wiring-leftovers.ts'],
  ['wiring-dev.ts'],
  ['app.ts', 'cli/'],
  ['primary.ts'],
  ['index.ts', 'server.ts'],
  ['cli.ts'],
]
const MAX_BOXES = 20
const MAX_DEPENDENCIES = 60

/** Who alone may import a package. A package that is not listed is free to all. */
const PACKAGES: [RegExp, RegExp][] = [
  [/^express$/, /^(app|routes\/.*)\.ts$/],
  [/^(ajv|ajv-formats|ajv-draft-04|json-schema-traverse)(\/|$)/, /^lib\/(config|schemas)\//],
  [/^js-yaml$/, /^lib\/yaml\.ts$/],
  [/^redos-detector$/, /^lib\/regexp\/safety\.ts$/],
  [/^node-fetch$/, /^lib\/remote\/fetch-text\.ts$/],
  [/^kafkajs/, /^lib\/kafka\/kafkajs\.ts$/],
  [/^service-runner$/, /^server\.ts$/],
  [/^pino$/, /^lib\/telemetry\/log\.ts$/],
  [/^prom-client$/, /^(server|primary|app|lib\/telemetry\/[\w-]+)\.ts$/],
  [/^@opentelemetry\//, /^lib\/telemetry\/tracing\.ts$/],
]

/** A source file has this many lines at most; a few may have some more. */
const LONG = 300
const TOO_LONG = 400
const MAX_LONG = 5

/** What a file imports: packages by name, own files by their path in src. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), 'utf8')
  const specifiers = [
    ...text.matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'/gms),
    ...text.matchAll(/\b(?:import|require)\('([^']+)'\)/g),
  ].map(match => match[1] as string)
  return specifiers.map(name =>
    name.startsWith('.') ? normalize(join(dirname(file), name)).replace(/\.js$/, '.ts') : name,
  )
}

const isOwn = (name: string) => name.endsWith('.ts')

/** The box that a file belongs to. */
function boxOf(file: string): string {
  const [first = '', second = '', ...more] = file.split('/')
  if (first !== 'lib') return second ? `${first}/` : first
  return more.length ? second : 'core'
}

const layerOf = (box: string) => LAYERS.findIndex(layer => layer.includes(box))

/** Why an import between boxes, or into an inner folder, breaks a rule; undefined if it does not. */
function fault(from: string, to: string): string | undefined {
  if (layerOf(boxOf(to)) >= layerOf(boxOf(from)) && boxOf(from) !== boxOf(to)) return 'not a lower layer'
  if (from === 'lib/eventgate.ts' && !/^lib\/(errors|outcomes)\.ts$/.test(to))
    return 'the gate knows the errors and its outcomes only'
  if (from === 'lib/errors.ts' && to !== 'lib/error-codes.ts') return 'the errors know their codes only'
  if (from === 'lib/error-codes.ts') return 'the codes know nothing'
  if (from.startsWith('lib/') && boxOf(to) === 'config' && !/^lib\/(config\/|telemetry\/log\.ts)/.test(from))
    return 'parts take what they need, not the configuration'
  if (from === 'server.ts' && !/^((app|primary)\.ts|lib\/(runtime|config|telemetry|workers)\/)/.test(to))
    return 'the process knows the service as a whole'
  const [, parent = ''] = /^(lib\/[\w-]+\/)[\w-]+\//.exec(to) ?? []
  return from.startsWith(parent) ? undefined : 'a folder in a folder is known to its parent'
}

test('imports go down the layers, and each package is known where its wall allows', () => {
  for (const file of sources) assert.notEqual(layerOf(boxOf(file)), -1, `${file} is in no layer`)
  const found = sources.flatMap(file =>
    importsOf(file)
      .filter(name =>
        isOwn(name)
          ? fault(file, name)
          : PACKAGES.some(([pack, allowed]) => pack.test(name) && !allowed.test(file)),
      )
      .map(name => `${file} → ${name}${isOwn(name) ? `: ${fault(file, name)}` : ''}`),
  )
  assert.deepEqual(found, [])
})

test('src/lib is few boxes with few dependencies, no file is both a file and a folder, and none is a barrel', () => {
  const lib = sources.filter(file => file.startsWith('lib/'))
  const boxes = new Set(lib.map(boxOf))
  const dependencies = new Set(
    lib.flatMap(file =>
      importsOf(file)
        .filter(name => isOwn(name) && boxOf(name) !== boxOf(file))
        .map(name => `${boxOf(file)} → ${boxOf(name)}`),
    ),
  )
  assert.ok(boxes.size <= MAX_BOXES, `${boxes.size} boxes`)
  assert.ok(dependencies.size <= MAX_DEPENDENCIES, [...dependencies].join('\n'))
  for (const file of lib) {
    assert.ok(!all.includes(file.replace(/\.ts$/, '')), `${file} stands beside a folder of its name`)
    const rest = readFileSync(join(SRC, file), 'utf8')
      .replace(/\/\*.*?\*\/|^\/\/.*?$/gms, '')
      .replace(/^export\b[^'"=]*?from '[^']+'$/gms, '')
    assert.notEqual(rest.trim(), '', `${file} only exports what others define`)
  }
})

test('a source file has 300 lines at most, except for five that may have 400', () => {
  const lines = new Map(
    all
      .filter(file => /(?<!\.d)\.(ts|js|css)$/.test(file))
      .map(file => [file, readFileSync(join(SRC, file), 'utf8').split('\n').length - 1]),
  )
  const long = [...lines].filter(([, count]) => count > LONG)
  const list = long.map(([file, count]) => `${file} has ${count} lines`)
  assert.ok(long.length <= MAX_LONG && long.every(([, count]) => count <= TOO_LONG), list.join('\n'))
})

test('the test of a source file stands at its path', () => {
  const compiled = (file: string) => readFileSync(join(ROOT, 'dist', file.replace(/\.ts$/, '.js')), 'utf8')
  const runs = (file: string) =>
    compiled(file)
      .replace(/\/\*.*?\*\/|^\s*\/\/.*?$/gms, '')
      .replace(/^export \{\s*\};?$/m, '')
      .trim() !== ''
  const without = sources.filter(
    file =>
      runs(file) &&
      !existsSync(join(ROOT, 'test/unit', file.replace(/^lib\//, '').replace(/\.ts$/, '.test.ts'))),
  )
  assert.deepEqual(without, [], 'no test at test/unit/… of the same name')
})
