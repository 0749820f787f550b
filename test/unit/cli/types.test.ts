import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { dump } from 'js-yaml'
import { temporary } from '../../support/service.js'
import { compile, types } from '../../support/types.js'

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
