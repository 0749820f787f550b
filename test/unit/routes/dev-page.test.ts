import assert from 'node:assert/strict'
import { test } from 'node:test'
import { send, startService } from '../../support/service.js'

test('production has no page; in development there is one, for names that are the service’s own', async t => {
  const service = await startService(t)
  assert.equal((await send(`${service.url}/`)).status, 404)
  assert.equal((await send(`${service.url}/_dev/static/main.js`)).status, 404)
  const dev = await startService(t, { dev_ui: true })
  const page = await send(`${dev.url}/`)
  assert.equal(page.status, 200)
  assert.match(page.headers['content-type'] ?? '', /^text\/html/)
  const csp = String(page.headers['content-security-policy'])
  assert.match(csp, /default-src 'none'/)
  assert.doesNotMatch(csp, /unsafe|\*|http/)
  assert.equal((await send(`${dev.url}/`, { headers: { host: 'evil.example' } })).status, 403)
  assert.equal(
    (await send(`${dev.url}/_dev/static/main.js`, { headers: { host: 'evil.example' } })).status,
    403,
  )
  assert.equal((await send(`${dev.url}/_dev/static/..%2fspec.yaml`)).status, 404)
  assert.match((await send(`${dev.url}/?doc`)).body, /OpenAPI/)
})
