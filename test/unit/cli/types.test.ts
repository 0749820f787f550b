import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { dump, load } from 'js-yaml'
import { NOT_REAL, ROOT, temporary, WIKIMEDIA } from '../../support/service.js'

type Members = Record<string, unknown>

const CLI = join(ROOT, 'dist/cli.js')
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc')

function types(cwd: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'types', ...args], {
    cwd,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

/** What the compiler says of a program beside `events.d.ts`; empty if it compiles. */
function compile(folder: string, program: string): string {
  writeFileSync(join(folder, 'program.ts'), program)
  const args = [
    TSC,
    '--noEmit',
    '--strict',
    '--target',
    'es2022',
    '--module',
    'nodenext',
    '--types',
    '',
    'program.ts',
  ]
  return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' }).stdout
}

const schema = (title: string, version: string, properties: object, required: string[] = []) => ({
  title,
  $id: `/${title}/${version}`,
  $schema: 'https://json-schema.org/draft-07/schema#',
  description: `What a ${title} is.`,
  type: 'object',
  additionalProperties: false,
  required: ['$schema', 'meta', ...required],
  properties: {
    $schema: { type: 'string' },
    meta: {
      type: 'object',
      required: ['dt', 'stream'],
      properties: { dt: { type: 'string' }, id: { type: 'string' }, stream: { type: 'string' } },
    },
    ...properties,
  },
})

function repository(t: TestContext): string {
  const folder = temporary(t)
  const write = (name: string, value: unknown) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), dump(value))
  }
  const kind = { type: 'string', enum: ['create', 'edit'] }
  write(
    'schemas/page/change/1.0.0.yaml',
    schema('page/change', '1.0.0', { page_id: { type: 'integer' } }, ['page_id']),
  )
  write(
    'schemas/page/change/1.1.0.yaml',
    schema('page/change', '1.1.0', { page_id: { type: 'integer' }, kind }, ['page_id']),
  )
  write(
    'schemas/user/login/1.0.0.yaml',
    schema('user/login', '1.0.0', { user: { $ref: '/fragment/user/1.0.0' } }),
  )
  write('schemas/fragment/user/1.0.0.yaml', {
    ...{ title: 'fragment/user', $id: '/fragment/user/1.0.0', type: 'object', required: ['name'] },
    properties: { name: { type: 'string', description: 'Their name.' } },
  })
  write('streams.yaml', {
    'page.v1': { schema_title: 'page/change' },
    'login.v1': { schema_title: 'user/login' },
  })
  return folder
}

const PROGRAM = `
import type { EventOf, PageChange_1_0_0, SendableTo, Streams } from './events.js'

declare function send<S extends keyof Streams>(stream: S, event: SendableTo<S>): void

const $schema = '/page/change/1.1.0'
send('page.v1', { $schema, meta: { stream: 'page.v1' }, page_id: 1, kind: 'edit' })
send('page.v1', { $schema: '/page/change/1.0.0', meta: { stream: 'page.v1', dt: 'now', id: '1' }, page_id: 1 })
send('login.v1', { $schema: '/user/login/1.0.0', meta: { stream: 'login.v1' }, user: { name: 'a' } })
export const stored: EventOf<'page.v1'> = { $schema, meta: { stream: 'page.v1', dt: 'now' }, page_id: 1 }

// @ts-expect-error a schema that the stream does not take
send('login.v1', { $schema, meta: { stream: 'login.v1' }, page_id: 1 })
// @ts-expect-error another stream
send('page.v1', { $schema, meta: { stream: 'login.v1' }, page_id: 1 })
// @ts-expect-error a stream that there is not
send('pages', { $schema, meta: { stream: 'pages' }, page_id: 1 })
// @ts-expect-error a value that is not in the enum
send('page.v1', { $schema, meta: { stream: 'page.v1' }, page_id: 1, kind: 'move' })
// @ts-expect-error a required field
send('page.v1', { $schema, meta: { stream: 'page.v1' } })
// @ts-expect-error the wrong type
export const typed: PageChange_1_0_0 = { $schema, meta: { stream: 'page.v1', dt: 'now' }, page_id: '1' }
// @ts-expect-error a field that is not there
export const closed: PageChange_1_0_0 = { $schema, meta: { stream: 'page.v1', dt: 'now' }, page_id: 1, other: 1 }
`

test('events that a stream takes compile, others do not', t => {
  const folder = repository(t)
  const made = types(folder, '-o', 'events.d.ts')
  assert.deepEqual([made.status, made.stderr], [0, ''])
  assert.equal(compile(folder, PROGRAM), '')
  const text = readFileSync(join(folder, 'events.d.ts'), 'utf8')
  assert.match(text, /\* Their name\./)
  assert.match(text, /\* What a page\/change is\./)
})

test('--check says whether the types are up to date, and of what', t => {
  const folder = repository(t)
  assert.equal(types(folder, '-o', 'events.d.ts', '--check').status, 1)
  assert.equal(types(folder, '-o', 'events.d.ts').status, 0)
  assert.deepEqual(types(folder, '-o', 'events.d.ts', '--check'), { status: 0, stdout: '', stderr: '' })
  const file = join(folder, 'schemas/page/change/1.1.0.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('edit', 'move'))
  const changed = types(folder, '-o', 'events.d.ts', '--check')
  assert.equal(changed.status, 1)
  assert.match(changed.stdout, /out of date \(changed since: \/page\/change\/1\.1\.0\)/)
  assert.equal(types(folder, '-o', 'events.d.ts').status, 0)
  writeFileSync(join(folder, 'events.d.ts'), 'export {}\n')
  assert.match(types(folder, '-o', 'events.d.ts', '--check').stdout, /events\.d\.ts was edited/)
})

test('what cannot be made', t => {
  const folder = repository(t)
  for (const [args, reason] of [
    [[], /name the file to write/],
    [['-o', 'events.json'], /must be a TypeScript file/],
    [['-o', 'events.d.ts', 'streams.yaml'], /there is no schema/],
  ] as const) {
    const { status, stderr } = types(folder, ...args)
    assert.equal(status, 2)
    assert.match(stderr, reason)
  }
})

const corpus = join(WIKIMEDIA, 'schemas-event-primary')

test('production’s schemas compile, their examples are assignable, and changed ones are not', {
  skip: NOT_REAL,
}, t => {
  const folder = temporary(t)
  assert.equal(types(folder, '-o', 'events.d.ts', corpus).status, 0)
  const files = readdirSync(corpus, { recursive: true, encoding: 'utf8' }).filter(file =>
    /\/\d+\.\d+\.\d+\.yaml$/.test(file),
  )
  const lines: string[] = []
  let mutants = 0
  for (const file of files.sort()) {
    const document = load(readFileSync(join(corpus, file), 'utf8')) as Members
    const [, title = '', version = ''] = /^(.*)\/([^/]+)\.yaml$/.exec(file) ?? []
    const name = `${title
      .split(/[^A-Za-z0-9]+/)
      .map(word => (word[0] as string).toUpperCase() + word.slice(1))
      .join('')}_${version.replaceAll('.', '_')}`
    for (const example of (document.examples ?? []) as Members[]) {
      lines.push(`export const e${lines.length}: T.${name} = ${JSON.stringify(example)}`)
      for (const mutant of mutantsOf(document, example)) {
        mutants++
        lines.push(
          '// @ts-expect-error',
          `export const m${lines.length}: T.${name} = ${JSON.stringify(mutant)}`,
        )
      }
    }
  }
  assert.ok(files.length >= 83 && mutants >= 100, `${mutants} mutants`)
  assert.equal(compile(folder, `import type * as T from './events.js'\n${lines.join('\n')}\n`), '')
})

/** Examples with one thing wrong: a type, a required field, an enum, a field of a closed object. */
function mutantsOf(schema: Members, example: Members): Members[] {
  const mutants: Members[] = []
  const properties = (schema.properties ?? {}) as Record<string, Members>
  const required = (schema.required ?? []) as string[]
  const [first] = required.filter(name => name in example)
  if (first !== undefined) {
    const { [first]: _, ...rest } = example
    mutants.push(rest)
  }
  if (schema.additionalProperties === false) mutants.push({ ...example, no_such_field: 1 })
  const named = Object.entries(properties).filter(([name]) => name in example)
  const texts = named.find(([, rules]) => rules.type === 'string')
  if (texts) mutants.push({ ...example, [texts[0]]: 1 })
  const listed = named.find(([, rules]) => Array.isArray(rules.enum))
  if (listed) mutants.push({ ...example, [listed[0]]: 'no such value' })
  return mutants
}
