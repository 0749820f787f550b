import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from '#src/lib/dev/entry.js'
import { briefly, EntryView } from '#src/lib/dev/entry-view.js'
import type { Explainer } from '#src/lib/explain/explainer.js'
import type { RefusedEvent } from '#src/lib/explain/trial.js'
import { entryOf } from '../../support/dev-entry.js'

const REFUSED: Partial<Entry> = {
  outcome: 'refused',
  text: '{"a":{"b/c":1}}',
  error: {
    code: 'validation_failed',
    message: 'wrong',
    errors: [{ keyword: 'type', dataPath: ".a['b/c']", schemaPath: '#/x', message: 'should be string' }],
  },
}
const numbered = (more: Partial<Entry> = {}): Entry => ({ seq: 7, ...entryOf(more) })
const never = new AbortController().signal

/** A view whose explainer remembers what it was asked to explain. */
function viewOf() {
  const asked: RefusedEvent[] = []
  const explain = async (refused: RefusedEvent) => {
    asked.push(refused)
    return { code: 'explained' }
  }
  return { view: new EntryView({ explain } as unknown as Explainer), asked }
}

test('in brief, an entry has its event, where it went, and pointers to its faults', () => {
  const produced = { topic: 't', key: 'k', timestamp: 5, text: '{"id":1}' }
  assert.deepEqual(briefly(numbered({ text: '{"a":1}', produced })), {
    seq: 7,
    received_at: '1970-01-01T00:16:40.000Z',
    request_id: 'r',
    index: 0,
    delivery: 'guaranteed',
    outcome: 'accepted',
    stream: 's',
    schema_uri: '/a/b/1.0.0',
    event: { a: 1 },
    cut: false,
    produced: { topic: 't', key: 'k', timestamp: 5 },
    error: null,
  })
  assert.deepEqual(briefly(numbered(REFUSED)).error, {
    code: 'validation_failed',
    message: 'wrong',
    details: [{ path: '/a/b~1c', keyword: 'type', message: 'should be string', schema_path: '#/x' }],
  })
  for (const more of [{ text: '{' }, { cut: true }]) assert.equal(briefly(numbered(more)).event, null)
})

test('as a whole, it has what was produced too, and the explanation of its refusal', async () => {
  const { view, asked } = viewOf()
  const produced = { topic: 't', key: null, timestamp: 5, text: '{"id":1}' }
  const whole = (await view.whole(numbered({ produced }))) as Record<string, unknown>
  assert.equal(whole.text, '{}')
  assert.deepEqual(whole.produced, { topic: 't', key: null, timestamp: 5, event: { id: 1 } })
  assert.deepEqual(asked, [])
  const query = { stream: 'of the query' }
  const refused = (await view.whole(numbered({ ...REFUSED, query }))) as Record<string, unknown>
  assert.deepEqual(refused.error, { code: 'explained' })
  const [{ event, context } = {} as RefusedEvent] = asked
  assert.deepEqual(event, { a: { 'b/c': 1 } })
  assert.equal(context.stream, 'of the query')
  assert.equal(context.requestId, 'r')
})

test('an event that was cut is not explained', async () => {
  const { view, asked } = viewOf()
  const { error } = (await view.whole(numbered({ ...REFUSED, cut: true }))) as { error: object }
  assert.match(JSON.stringify(error), /too large to be kept as a whole/)
  assert.deepEqual(asked, [])
})

test('of many, a hundred are explained; none when time is short, and nothing is shown to a client that left', async () => {
  const many = Array.from({ length: 150 }, () => numbered(REFUSED))
  const { view, asked } = viewOf()
  assert.equal((await view.wholes(many, never, never)).length, 150)
  assert.equal(asked.length, 100)
  const hurried = viewOf()
  assert.equal((await hurried.view.wholes(many.slice(0, 3), never, AbortSignal.abort())).length, 3)
  assert.equal(hurried.asked.length, 0)
  assert.deepEqual(await view.wholes(many, AbortSignal.abort(), never), [])
})
