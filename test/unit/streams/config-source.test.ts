import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type StreamConfigObserver,
  type StreamConfigOptions,
  StreamConfigs,
} from '#src/lib/streams/config-source.js'
import { eventually } from '../../support/http.js'
import { temporary } from '../../support/service.js'

/** A file with one stream of this name. */
function source(t: TestContext, name: string) {
  const uri = join(temporary(t), 'streams.json')
  const write = (name: string) => writeFileSync(uri, JSON.stringify({ [name]: { schema_title: 'a' } }))
  write(name)
  return { uri, write, remove: () => rmSync(uri) }
}

async function open(
  t: TestContext,
  uri: string,
  more: Partial<StreamConfigOptions> = {},
  observer: StreamConfigObserver = {},
): Promise<StreamConfigs> {
  const options: StreamConfigOptions = {
    uri,
    retries: 0,
    ttlMs: 0,
    minRefreshMs: 0,
    patienceMs: 10_000,
    timeoutMs: 1000,
    userAgent: 'test',
    objectPath: undefined,
    destination: undefined,
    topicPrefix: '',
    ...more,
  }
  const configs = await StreamConfigs.open(options, observer)
  t.after(() => configs.close())
  return configs
}

test('it is fetched early, and a failed fetch keeps the last good one', async t => {
  const { uri, write, remove } = source(t, 'one')
  const heard: string[] = []
  const configs = await open(
    t,
    uri,
    {},
    {
      fetched: table => heard.push(Object.keys(table.settings).join()),
      failed: reason => heard.push(reason),
    },
  )
  write('two')
  assert.ok(configs.table.find('one'))
  await configs.refreshEarly()
  assert.ok(configs.table.find('two'))
  assert.equal(configs.refreshing, false)
  remove()
  await configs.refreshEarly()
  assert.match(String(configs.failure), /it does not exist/)
  assert.ok(configs.table.find('two'))
  write('two')
  await configs.refreshEarly()
  assert.equal(configs.failure, undefined)
  assert.deepEqual(heard.slice(0, 2), ['one', 'two'])
  assert.match(String(heard[2]), /could not be fetched again: it does not exist/)
  assert.equal(heard.length, 3)
})

test('it is fetched early once in a while, and never after it was closed', async t => {
  const { uri } = source(t, 'one')
  const configs = await open(t, uri, { minRefreshMs: 1_000_000_000_000 })
  const first = configs.refreshEarly()
  assert.ok(first)
  assert.ok(configs.refreshEarly(), 'others wait for the same fetch')
  await first
  assert.equal(configs.refreshEarly(), undefined)
  const closed = await open(t, uri)
  closed.close()
  assert.equal(closed.refreshEarly(), undefined)
})

test('it is fetched again when its time is over', async t => {
  const { uri, write } = source(t, 'one')
  const configs = await open(t, uri, { ttlMs: 10 })
  write('two')
  await eventually(() => assert.ok(configs.table.find('two')))
  assert.equal(configs.ttlSeconds, 0.01)
})

test('without a configuration at the start it says why, after its retries', async t => {
  const failures: string[] = []
  const opened = open(t, '/nowhere/streams.yaml', { retries: 1 }, { failed: reason => failures.push(reason) })
  await assert.rejects(opened, /stream_config_uri \/nowhere\/streams\.yaml cannot be used: it does not exist/)
  assert.equal(failures.length, 1)
})
