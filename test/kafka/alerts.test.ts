import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { queries } from '../../helm/dashboards.js'
import { metricsIn } from '../../helm/names.js'
import { TRAFFIC_STREAMS, traffic, trafficConf } from '../../helm/traffic.js'
import { rules } from '../docs/alerts.js'
import { eventually, freePort, samples } from '../support/http.js'
import { anyKafka, topicName } from '../support/kafka.js'
import { startService, temporary } from '../support/service.js'

test('every metric that rules and dashboards name is there, in a service with Kafka under traffic', async t => {
  const kafka = await anyKafka()
  t.after(() => kafka.close())
  const port = await freePort()
  const streams = join(temporary(t), 'streams.json')
  writeFileSync(streams, JSON.stringify(TRAFFIC_STREAMS))
  const service = await startService(
    t,
    {
      ...trafficConf(streams),
      topic_prefix: `${topicName('alerts')}.`,
      kafka: { conf: { 'metadata.broker.list': kafka.bootstrap } },
      spool: { directory: join(temporary(t), 'spool') },
    },
    { metrics: { type: 'prometheus', port } },
  )
  await traffic(service)
  const exprs = [...rules, ...queries()].map(({ expr }) => expr)
  const wanted = new Set(exprs.flatMap(metricsIn))
  assert.ok(wanted.size > 40)
  await eventually(async () => {
    const found = new Set([...(await samples(port)).keys()].map(sample => sample.replace(/\{.*/, '')))
    assert.deepEqual(
      [...wanted].filter(name => !found.has(name)),
      [],
    )
  })
})
