import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { load } from 'js-yaml'
import { startService, WIKIMEDIA } from './helpers.js'

const repository = join(WIKIMEDIA, 'schemas-event-primary')
const isThere = existsSync(repository)

interface Example extends Record<string, unknown> {
  $schema: string
  meta: { stream: string; dt: string }
}

test(`production's schemas and their examples${isThere ? '' : ': NOT THERE, nothing was tested'}`, async t => {
  if (!isThere) return t.diagnostic(`${repository} is not there: it is no part of the project`)
  const versions = readdirSync(repository, { recursive: true, encoding: 'utf8' }).filter(file =>
    /\/\d+\.\d+\.\d+\.yaml$/.test(file),
  )
  assert.equal(versions.length, 83)
  // Fragments are parts of schemas, and their examples no events: schemas-compile.test.ts validates those.
  const whole = versions.filter(file => !file.startsWith('fragment/'))
  const examples = whole.flatMap(file => {
    const schema = load(readFileSync(join(repository, file), 'utf8')) as { examples?: Example[] }
    // By its place: some examples name an older version, and some schemas another place.
    return (schema.examples ?? []).map(example => ({
      ...example,
      $schema: `/${file.replace(/\.yaml$/, '')}`,
    }))
  })
  assert.ok(examples.length >= whole.length / 2)

  const service = await startService(t, { schema_base_uris: [repository], overwrite_dt: false })
  const events = examples.map((example, n) => ({
    ...example,
    ...(typeof example.meta?.stream === 'string'
      ? {}
      : { meta: { ...example.meta, stream: `examples.${n}` } }),
  }))
  const reply = await service.post(events)
  assert.equal(reply.reason, `All ${events.length} out of ${events.length} events were accepted.`, reply.body)
  for (const [n, stored] of service.produced().entries()) {
    // What the gate and the schemas' defaults add aside, it is what was sent.
    assert.deepEqual(only(stored, events[n]), events[n], events[n]?.$schema)
  }
  assert.equal(service.produced().length, events.length)
  t.diagnostic(`${whole.length} schemas of events, ${events.length} examples`)
})

/** Of a value the parts that another one has. */
function only(value: unknown, sent: unknown): unknown {
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent)) return value
  const parts = value as Record<string, unknown>
  return Object.fromEntries(Object.entries(sent).map(([name, part]) => [name, only(parts?.[name], part)]))
}
