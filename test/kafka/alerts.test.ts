import assert from 'node:assert/strict'
import { test } from 'node:test'
import { queries } from '../../helm/dashboards.js'
import { metricsIn } from '../../helm/names.js'
import { startTraffic } from '../../helm/traffic.js'
import { rules } from '../docs/alerts.js'
import { eventually, samples } from '../support/http.js'
import { anyKafka, topicName } from '../support/kafka.js'

test('every metric that rules and dashboards name is there, in a service with Kafka under traffic', async t => {
  const kafka = await anyKafka()
  t.after(() => kafka.close())
  const conf = { topic_prefix: `${topicName('alerts')}.` }
  const { metricsPorts, send } = await startTraffic(t, kafka.bootstrap, conf)
  await send()
  const exprs = [...rules, ...queries()].map(({ expr }) => expr)
  const wanted = new Set(exprs.flatMap(metricsIn))
  assert.ok(wanted.size > 40)
  await eventually(async () => {
    const all = await Promise.all(metricsPorts.map(samples))
    const found = new Set(all.flatMap(of => [...of.keys()].map(sample => sample.replace(/\{.*/, ''))))
    assert.deepEqual(
      [...wanted].filter(name => !found.has(name)),
      [],
    )
  })
})
