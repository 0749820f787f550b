import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Code, GateError } from '#src/lib/errors.js'
import { Explainer } from '#src/lib/explain/explainer.js'
import type { Repairer } from '#src/lib/explain/repairer.js'
import type { Complaint } from '#src/lib/schemas/parts.js'

const steps = (fails?: unknown) => ({
  load: async () => {},
  schemaFor: () => ({
    ...{ uri: '/s/1.0.0', title: 's', declares: () => false },
    validate: () => {
      if (fails) throw fails
    },
  }),
  streamFor: () => ({ name: 's', topic: 's' }),
  enrich: () => {},
  route: () => ({}),
  produce: async () => {},
})

test('all searches for one event end at the same time, and others have their turn in between', async () => {
  const error = new GateError('validation_failed', 'wrong')
  const complaint = {
    steps: [],
    keyword: 'type',
    params: { type: 'string' },
    value: 5,
    message: '',
    dataPath: '',
    schemaPath: '',
    rule: 'string',
    schema: {},
  }
  const complaints = Array.from({ length: 5 }, () => complaint as unknown as Complaint)
  const ends: number[] = []
  let turns = 0
  let done = false
  const turnsAtSearch: number[] = []
  const begin = (until: number) => {
    ends.push(until)
    turnsAtSearch.push(turns)
  }
  const repairerFor = (_schema: unknown, until = 0) =>
    ({
      complaints: () => complaints,
      fixOne: () => begin(until),
      fix(event: object) {
        begin(until)
        return { ...event, more: ends.length }
      },
      budget: { isExhausted: false },
    }) as unknown as Repairer
  const known = { schemaUriField: '$schema' }
  const explainer = new Explainer(steps(error) as never, known as never, repairerFor)
  const next = () => {
    turns++
    if (!done) setImmediate(next)
  }
  setImmediate(next)
  const event = { $schema: '/s/1.0.0' }
  const refused = { event, text: JSON.stringify(event), context: {} as never, index: 0 }
  await explainer.explain(refused, error)
  done = true
  assert.ok(ends.length > 5)
  assert.equal(new Set(ends).size, 1, `${ends}`)
  assert.ok((ends[0] as number) - performance.now() <= 1000)
  assert.equal(new Set(turnsAtSearch).size, ends.length, `${turnsAtSearch}`)
})

test('a refusal by the producer is no reason to send the event again', async () => {
  const explainer = new Explainer(steps() as never, { schemaUriField: '$schema' } as never)
  const event = { $schema: '/s/1.0.0' }
  const refused = { event, text: JSON.stringify(event), context: {} as never, index: 0 }
  const whyNot = async (code: Code) => {
    const { details } = await explainer.explain(refused, new GateError(code, 'refused'))
    return details[0]?.why_not
  }
  assert.match((await whyNot('event_too_large')) ?? '', /^only the sender knows/)
  assert.match((await whyNot('record_refused')) ?? '', /^the brokers refuse/)
  assert.match((await whyNot('schema_not_found')) ?? '', /would pass if it were sent again now$/)
})
