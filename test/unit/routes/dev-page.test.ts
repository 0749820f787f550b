import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startApp } from '../../support/app.js'
import { send } from '../../support/service.js'

test('production has no page; in development there is one, for names that are the service’s own', async t => {
  const service = await startApp(t)
  assert.equal((await send(`${service.url}/`)).status, 404)
  assert.equal((await send(`${service.url}/_dev/static/main.js`)).status, 404)
  const dev = await startApp(t, { dev_ui: true })
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

test('each file that the page names is served, with a type that a browser takes', async t => {
  const { url } = await startApp(t, { dev_ui: true })
  const { body } = await send(`${url}/`)
  const files = [...body.matchAll(/(?:href|src)="(\/_dev\/static\/[^"]+)"/g)].map(([, path]) => String(path))
  const scripts = new Set(files.filter(path => path.endsWith('.js')))
  assert.ok(scripts.size > 0 && files.some(path => path.endsWith('.css')), body)
  // Modules import others, each beside the one that names it.
  for (const path of scripts)
    for (const [, name] of (await send(url + path)).body.matchAll(/from '\.\/([\w-]+\.js)'/g))
      scripts.add(`/_dev/static/${name}`)
  for (const path of new Set([...files, ...scripts])) {
    const { status, headers } = await send(url + path)
    const type = path.endsWith('.css')
      ? 'text/css'
      : path.endsWith('.js')
        ? 'text/javascript'
        : 'image/svg+xml'
    assert.equal(status, 200, path)
    assert.equal(headers['content-type'], `${type}; charset=utf-8`, path)
  }
})
