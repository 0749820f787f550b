import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GateError } from '#src/lib/errors.js'
import type { Event, Steps } from '#src/lib/eventgate.js'
import { DryRun } from '#src/lib/explain/dry-run.js'
import type { Explainer } from '#src/lib/explain/explainer.js'

const steps: Steps = {
  load: () => undefined,
  schemaFor: () => ({ uri: '/s/1.0.0', title: 's', declares: () => true, validate() {} }),
  streamFor(event: Event) {
    if (event.wrong) throw new GateError('stream_missing', 'no stream')
    return { name: 's', topic: 't' }
  },
  enrich: event => void Object.assign(event, { dt: 'now' }),
  route: () => ({ topic: 't', key: 'k', timestamp: 7, delivery: 'guaranteed' }),
  produce: () => assert.fail('nothing is produced'),
}

function dryRun(events: Event[], deadline = Infinity) {
  const explained: number[] = []
  const explainer = {
    async explain({ index }, { code, message }) {
      explained.push(index)
      return { code, message, details: [], mended: { text: 'fix', patch: [] } }
    },
  } as Pick<Explainer, 'explain'> as Explainer
  const context = { deadline, delivery: 'guaranteed', textOf: (i: number) => JSON.stringify(events[i]) }
  const list = { length: events.length, at: (i: number) => structuredClone(events[i]) }
  const prospects = new DryRun(steps, explainer).process(list, context as never)
  return prospects.then(prospects => ({ prospects, explained }))
}

test('what would be produced, where to; and why not', async () => {
  const { prospects, explained } = await dryRun([{ a: 1 }, { wrong: true }])
  assert.deepEqual(prospects[0], {
    index: 0,
    outcome: 'accepted',
    stream: 's',
    schema_uri: '/s/1.0.0',
    event: { a: 1, dt: 'now' },
    topic: 't',
    key: 'k',
    timestamp: 7,
    error: null,
  })
  const { outcome, event, topic, error } = prospects[1] ?? {}
  assert.deepEqual([outcome, event, topic], ['refused', null, null])
  assert.equal(error?.code, 'stream_missing')
  assert.deepEqual(error?.mended, { text: 'fix', patch: [] })
  assert.deepEqual(explained, [1])
})

test('the first hundred refused events are explained', async () => {
  const { prospects, explained } = await dryRun(Array.from({ length: 120 }, () => ({ wrong: true })))
  assert.equal(explained.length, 100)
  assert.equal(prospects[119]?.error?.message, 'no stream')
  assert.equal(prospects[119]?.error?.mended, null)
})
