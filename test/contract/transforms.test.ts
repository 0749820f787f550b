import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { load } from 'js-yaml'
import {
  assertAccepted,
  assertFailure,
  eventually,
  freePort,
  ONE_ACCEPTED,
  repository,
  samples,
} from '../support/http.js'
import { type Service, startService, temporary } from '../support/service.js'

// Production's transforms: what the edge knows of experiments, and agents that take part in none.

const text = { type: 'string' }
const meta = { type: 'object', properties: { dt: text, stream: text } }
const experiment = {
  type: 'object',
  required: ['enrolled', 'assigned', 'subject_id'],
  properties: { enrolled: text, assigned: text, subject_id: text },
}
const SCHEMAS = {
  '/trial/1.0.0': { properties: { $schema: text, meta, experiment } },
  '/plain/1.0.0': { properties: { $schema: text, meta } },
}
const optedIn = { producers: { eventgate: { use_edge_uniques: true } } }
const STREAMS = {
  trial: { schema_title: 'trial', ...optedIn },
  unasked: { schema_title: 'trial' },
  declined: { schema_title: 'trial', producers: { eventgate: { use_edge_uniques: false } } },
  plain: { schema_title: 'plain', ...optedIn },
  errors: { schema_title: 'error' },
}
const GOOD = { enrolled: 'colours', assigned: 'red', subject_id: 'awaiting' }
const HEADER = 'colours=red/abc123; sizes=large/def/456==;'

async function start(t: TestContext, conf: object, top: Record<string, unknown> = {}): Promise<Service> {
  const stream_config_uri = join(temporary(t), 'streams.json')
  writeFileSync(stream_config_uri, JSON.stringify(STREAMS))
  return startService(t, { schema_base_uris: [repository(t, SCHEMAS)], stream_config_uri, ...conf }, top)
}
const event = (more: object = {}, stream = 'trial') => ({
  $schema: stream === 'plain' ? '/plain/1.0.0' : '/trial/1.0.0',
  meta: { stream },
  ...more,
})
const enrolled = (header: string | undefined) => ({
  headers: header === undefined ? {} : { 'X-Experiment-Enrollments': header },
})
const last = (service: Service) => service.produced().at(-1)?.experiment

/** The lines of the metric of refused events that have this error type. */
async function errorsOfType(port: number, type: string): Promise<[labels: string, value: number][]> {
  const all = [...(await samples(port))]
  return all.filter(
    ([name]) =>
      name.startsWith('eventgate_validation_errors_total{') && name.includes(`error_type="${type}"`),
  )
}

test('processEdgeUniques', async t => {
  const port = await freePort()
  const service = await start(
    t,
    { transforms: ['eventgateWikimediaDefaults', 'processEdgeUniques'], error_stream: 'errors' },
    { metrics: { type: 'prometheus', port } },
  )
  await t.test('an awaiting subject id becomes that of the header', async () => {
    for (const header of ['colours=red/abc123', HEADER, `sizes=large/x;${HEADER.split(';')[0]}`]) {
      assertAccepted(await service.post(event({ experiment: GOOD }), enrolled(header)), 201, ONE_ACCEPTED)
      assert.deepEqual(last(service), { ...GOOD, subject_id: 'abc123' })
    }
  })
  await t.test('a subject may hold any character but spaces and semicolons', async () => {
    const own = { enrolled: 'sizes', assigned: 'large', subject_id: 'awaiting' }
    assertAccepted(await service.post(event({ experiment: own }), enrolled(HEADER)), 201, ONE_ACCEPTED)
    assert.deepEqual(last(service), { ...own, subject_id: 'def/456==' })
  })
  await t.test('each event of a request gets its own', async () => {
    const own = { enrolled: 'sizes', assigned: 'large', subject_id: 'awaiting' }
    const both = [event({ experiment: own }), event({ experiment: GOOD })]
    const reply = await service.post(both, enrolled(HEADER))
    assertAccepted(reply, 201, 'All 2 out of 2 events were accepted.')
    const ids = service
      .produced()
      .slice(-2)
      .map(({ experiment }) => (experiment as typeof GOOD).subject_id)
    assert.deepEqual(ids, ['def/456==', 'abc123'])
  })
  await t.test('what does not opt in, or is no experiment, is left alone', async () => {
    for (const other of [
      event({ experiment: GOOD }, 'unasked'),
      event({ experiment: GOOD }, 'declined'),
      event({ experiment: GOOD }, 'plain'),
    ]) {
      assertAccepted(await service.post(other, enrolled(HEADER)), 201, ONE_ACCEPTED)
      assert.deepEqual(last(service), GOOD)
    }
    assertAccepted(await service.post(event(), enrolled('malformed')), 201, ONE_ACCEPTED)
    assert.equal(last(service), undefined)
  })
  await t.test('what stands in its place is left for validation to judge', async () => {
    for (const wrong of ['text', null, [GOOD]]) {
      const reply = await service.post(event({ experiment: wrong }), enrolled(HEADER))
      assertFailure(reply, { status: 400, invalid: ['validation_failed'] })
    }
  })
  const refused: [what: string, header: string | undefined, experiment: object][] = [
    ['no header', undefined, GOOD],
    ['an empty header', '', GOOD],
    ['a header without a subject', 'colours=red', GOOD],
    ['a header with an empty subject', 'colours=red/', GOOD],
    ['a header with one bad part', 'colours=red/abc123;oops', GOOD],
    ['a header that says one thing twice', 'colours=red/abc123;colours=red/other', GOOD],
    ['another experiment', HEADER, { ...GOOD, enrolled: 'shapes' }],
    ['another group', HEADER, { ...GOOD, assigned: 'blue' }],
    ["another experiment's group", HEADER, { ...GOOD, assigned: 'large' }],
    ['a subject id of its own', HEADER, { ...GOOD, subject_id: 'abc123' }],
    ['no subject id', HEADER, { enrolled: 'colours', assigned: 'red' }],
    ['no names', HEADER, {}],
    ['an inherited name', HEADER, { ...GOOD, enrolled: '__proto__' }],
    ['a name of another type', HEADER, { ...GOOD, enrolled: ['colours'] }],
  ]
  for (const [what, header, experiment] of refused) {
    await t.test(`${what}: invalid`, async () => {
      const sent = event({ experiment })
      const [entry] = assertFailure(await service.post(sent, enrolled(header)), {
        status: 400,
        invalid: ['edge_uniques_refused'],
      })
      assert.deepEqual(entry.event, sent)
    })
  }
  await t.test('it is told by a type of its own', async () => {
    const [[labels, count] = [], ...others] = await errorsOfType(port, 'edge_uniques_refused')
    assert.deepEqual(others, [])
    assert.match(String(labels), /stream="trial"/)
    assert.match(String(labels), /schema_uri="\/trial\/1\.0\.0"/)
    assert.equal(count, refused.length)
    await eventually(() => {
      const told = service.produced().filter(({ error_type }) => error_type === 'edge_uniques_refused')
      assert.equal(told.length, refused.length)
    })
  })
})

// Production's configuration, as it stands in its YAML: two backslashes.
const PRODUCTION = String.raw`
test_kitchen:
  ua_denylist:
    - bingbot/2.0; \\+http://www.bing.com/bingbot.htm
`
const BINGBOT = 'Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)'

test('testKitchen: denied agents', async t => {
  const port = await freePort()
  const { test_kitchen } = load(PRODUCTION) as { test_kitchen: { ua_denylist: string[] } }
  const service = await start(
    t,
    {
      transforms: ['eventgateWikimediaDefaults', 'processEdgeUniques', 'testKitchen'],
      test_kitchen: { ua_denylist: [...test_kitchen.ua_denylist, 'Spider-[0-9]+', String.raw`one\.dot`] },
      error_stream: 'errors',
    },
    { metrics: { type: 'prometheus', port } },
  )
  const by = (agent: string) => ({ headers: { 'user-agent': agent } })
  const sent = event({ experiment: GOOD }, 'unasked')

  await t.test("production's entry denies the agent that it means", async () => {
    const [entry] = assertFailure(await service.post(sent, by(BINGBOT)), {
      status: 400,
      invalid: ['ua_denied'],
    })
    assert.deepEqual(entry.event, sent)
    assert.match(entry.context.message, /bingbot/)
  })
  await t.test('the type is a label of the metric, and in the error event', async () => {
    const [[labels, count] = []] = await errorsOfType(port, 'ua_denied')
    assert.match(String(labels), /stream="unasked"/)
    assert.equal(count, 1)
    const told = await eventually(() => {
      const [found] = service.produced().filter(({ $schema }) => $schema === '/error/2.1.0')
      assert.ok(found)
      return found
    })
    assert.equal(told.error_type, 'ua_denied')
    assert.equal(told.errored_stream_name, 'unasked')
    assert.deepEqual(JSON.parse(String(told.raw_event)), sent)
  })
  await t.test('events of experiments are counted, and those that are refused are not', async () => {
    const name = 'eventgate_experiment_events_total{service="eventgate",experiment="sizes",instrument=""}'
    const counted = async () => (await samples(port)).get(name)
    const sizes = event({ experiment: { ...GOOD, enrolled: 'sizes' } }, 'unasked')
    assertFailure(await service.post(sizes, by(BINGBOT)), { status: 400, invalid: ['ua_denied'] })
    assert.equal(await counted(), undefined)
    for (let n = 0; n < 2; n++) assertAccepted(await service.post(sizes, by('a browser')), 201, ONE_ACCEPTED)
    assertAccepted(await service.post(event({}, 'unasked'), by('a browser')), 201, ONE_ACCEPTED)
    assert.equal(await counted(), 2)
  })
  await t.test('an entry is a regular expression, with one backslash or two', async () => {
    for (const agent of ['x Spider-42', 'one.dot'])
      assertFailure(await service.post(sent, by(agent)), { status: 400, invalid: ['ua_denied'] })
    for (const agent of ['Spider-', 'one-dot', 'bingbot/2.0; http://www.bing.com/bingbot.htm', '']) {
      assertAccepted(await service.post(sent, by(agent)), 201, ONE_ACCEPTED)
    }
    assertAccepted(await service.post(sent), 201, ONE_ACCEPTED)
  })
  await t.test('events without an experiment are taken', async () => {
    const both = [event({}, 'unasked'), sent]
    const reply = await service.post(both, by(BINGBOT))
    const [entry] = assertFailure(reply, { status: 207, invalid: ['ua_denied'] })
    assert.equal(entry.index, 1)
  })
  await t.test('transforms run in their order: the edge is asked first', async () => {
    const options = { headers: { ...by(BINGBOT).headers, 'x-experiment-enrollments': 'colours=blue/x' } }
    const reply = await service.post(event({ experiment: GOOD }), options)
    assertFailure(reply, { status: 400, invalid: ['edge_uniques_refused'] })
  })
})

test('transforms that are not named do nothing', async t => {
  const service = await start(t, {
    transforms: ['eventgateWikimediaDefaults'],
    test_kitchen: { ua_denylist: ['bingbot'] },
  })
  const headers = { 'user-agent': BINGBOT, 'x-experiment-enrollments': HEADER }
  assertAccepted(await service.post(event({ experiment: GOOD }), { headers }), 201, ONE_ACCEPTED)
  assert.deepEqual(last(service), GOOD)
})

test('an unknown transform, and an invalid or slow expression, are errors at the start', async t => {
  const wrong: [conf: object, says: RegExp][] = [
    [
      { transforms: ['eventgateWikimediaDefaults', 'testKitchn'] },
      /services\[0\]\.conf\.transforms\[1\].*testKitchen.*testKitchn/,
    ],
    [
      { test_kitchen: { ua_denylist: ['bot', '(bot'] } },
      /services\[0\]\.conf\.test_kitchen\.ua_denylist.*\(bot/,
    ],
    [
      { test_kitchen: { ua_denylist: ['bot', '^(?=x|(a+)+$)'] } },
      /services\[0\]\.conf\.test_kitchen\.ua_denylist.*"\^\(\?=x\|\(a\+\)\+\$\)" may take very long/,
    ],
    [
      { test_kitchen: { ua_denylist: [String.raw`^(?=x|(\\w+)+$)`] } },
      /services\[0\]\.conf\.test_kitchen\.ua_denylist.* may take very long/,
    ],
  ]
  for (const [conf, says] of wrong) {
    await assert.rejects(startService(t, { ...conf }), (error: Error) => {
      assert.match(error.message, /ended with 78/)
      assert.match(error.message, says)
      return true
    })
  }
})
