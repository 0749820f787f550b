import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { serveMetrics } from '#src/lib/telemetry/metrics-server.js'
import { recordedLog } from '../../support/recorded-log.js'
import { send } from '../../support/service.js'

test('metrics are at one path, for those who read; a failure is 500 and is logged', async t => {
  const { log, lines } = recordedLog()
  let collect = async function* () {
    yield 'a 1\n'
  }
  const endpoint = { port: 0, interface: '127.0.0.1' }
  const server = await serveMetrics(endpoint, () => collect(), log)
  t.after(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const read = await send(`${url}/metrics?name=a`)
  assert.deepEqual([read.status, read.body], [200, 'a 1\n'])
  assert.match(String(read.headers['content-type']), /^text\/plain; version=0\.0\.4/)
  assert.equal((await send(`${url}/`)).status, 404)
  const posted = await send(`${url}/metrics`, { method: 'POST' })
  assert.deepEqual([posted.status, posted.headers.allow], [405, 'GET, HEAD'])
  // biome-ignore lint/correctness/useYield: it throws before
  collect = async function* () {
    throw new Error('a gauge that throws')
  }
  assert.equal((await send(`${url}/metrics`)).status, 500)
  collect = async function* () {
    yield 'a 1\n'
    throw new Error('a gauge that throws')
  }
  await assert.rejects(send(`${url}/metrics`))
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    Array(2).fill('metrics could not be collected'),
  )
})
