import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type FetchOptions, fetchText, NotFound, Unreachable } from '#src/lib/remote/fetch-text.js'
import { temporary } from '../../support/service.js'

const OPTIONS: FetchOptions = { timeoutMs: 5000, userAgent: 'eventgate-test' }

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close().closeAllConnections())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

const problem = (found: unknown) => (found instanceof Unreachable ? found.message : found)

test('a file is read by its path or URI', async t => {
  const folder = temporary(t)
  const path = join(folder, 'a file')
  writeFileSync(path, 'text é')
  assert.equal(await fetchText(path, 100, OPTIONS), 'text é')
  assert.equal(await fetchText(pathToFileURL(path).href, 100, OPTIONS), 'text é')
  assert.match(String(problem(await fetchText(path, 6, OPTIONS))), /has 7 bytes, more than 6/)
  mkdirSync(join(folder, 'b'))
  for (const missing of [
    join(folder, 'none'),
    join(path, 'under'),
    join(folder, 'b'),
    join(folder, 'x'.repeat(300)),
  ])
    assert.ok((await fetchText(missing, 10_000, OPTIONS)) instanceof NotFound, missing)
})

test('an HTTP source is asked with the configured headers', async t => {
  let asked: IncomingMessage | undefined
  const url = await serve(t, (req, res) => {
    asked = req
    res.end('<<: *merge')
  })
  const headers = { 'User-Agent': 'mine', host: 'api.example' }
  assert.equal(await fetchText(url, 100, { ...OPTIONS, headers }), '<<: *merge')
  assert.equal(asked?.headers['user-agent'], 'mine')
  assert.equal(asked?.headers.host, 'api.example')
  await fetchText(url, 100, OPTIONS)
  assert.equal(asked?.headers['user-agent'], 'eventgate-test')
})

test('only 404 and 410 say that the source does not have it', async t => {
  const url = await serve(t, (req, res) => {
    res.writeHead(Number(req.url?.slice(1)), { location: 'http://other.example/' }).end('x')
  })
  for (const status of [404, 410])
    assert.ok((await fetchText(url + status, 100, OPTIONS)) instanceof NotFound)
  for (const status of [206, 401, 429, 500])
    assert.match(
      String(problem(await fetchText(url + status, 100, OPTIONS))),
      new RegExp(`answered ${status}`),
    )
  const redirected = String(problem(await fetchText(`${url}302`, 100, OPTIONS)))
  assert.match(redirected, /answered 302, a redirect to http:\/\/other\.example\/, which is not followed/)
})

test('a page, a long text, silence and a refused connection leave the source unreachable', async t => {
  const url = await serve(t, (req, res) => {
    if (req.url === '/page') res.end(' <!doctype html>')
    else if (req.url === '/long') res.end('x'.repeat(101))
  })
  assert.match(String(problem(await fetchText(`${url}page`, 100, OPTIONS))), /a page of HTML/)
  assert.ok((await fetchText(`${url}long`, 100, OPTIONS)) instanceof Unreachable)
  assert.ok((await fetchText(`${url}silent`, 100, { ...OPTIONS, timeoutMs: 50 })) instanceof Unreachable)
  assert.match(
    String(problem(await fetchText('http://127.0.0.1:1/', 100, OPTIONS))),
    /^http:\/\/127\.0\.0\.1:1\//,
  )
})
