import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { attributesOf, startCollector } from '../support/collector.js'
import { eventually } from '../support/http.js'
import { ROOT, startService, temporary, testEvent } from '../support/service.js'

test('a 5xx is an error of the span', async t => {
  const { spans } = await startCollector(t)
  // A port that nothing listens on.
  const service = await startService(t, {
    request_timeout_ms: 500,
    schema_timeout_ms: 300,
    kafka: { conf: { 'metadata.broker.list': '127.0.0.1:1' } },
  })
  // Which of the two deadlines comes first is not what this is about.
  const { status } = await service.post(testEvent())
  assert.ok(status === 503 || status === 504)
  const span = await eventually(() => {
    assert.ok(spans[0])
    return spans[0]
  })
  assert.equal(attributesOf(span)['http.response.status_code'], status)
  assert.equal(attributesOf(span)['error.type'], String(status))
  assert.equal(span.status.code, 2)
})

test('a collector that is not there holds up neither requests nor the end', async t => {
  await startCollector(t)
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = 'http://127.0.0.1:1'
  const service = await startService(t)
  assert.equal((await service.post(testEvent())).status, 201)
  assert.equal(await service.stop(), 0)
})

test('without the SDK, asking for traces is a wrong configuration', t => {
  const folder = temporary(t)
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  cpSync(join(ROOT, 'schemas'), join(folder, 'schemas'), { recursive: true })
  mkdirSync(join(folder, 'node_modules/@opentelemetry'), { recursive: true })
  const link = (name: string) =>
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (name !== '@opentelemetry' && !name.startsWith('.')) link(name)
  link('@opentelemetry/api')
  writeFileSync(
    join(folder, 'config.yaml'),
    'services: [{name: eventgate, conf: {port: 0, producer: memory}}]',
  )
  const { status, stderr } = spawnSync(process.execPath, ['dist/server.js'], {
    cwd: folder,
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'otlp' },
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.equal(status, 78)
  assert.match(stderr, /^eventgate: traces are asked for .*npm install @opentelemetry\/sdk-node/)
})
