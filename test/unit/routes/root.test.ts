import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import express from 'express'
import type { Responder } from '#src/lib/http/responder.js'
import { mount } from '#src/routes/mount.js'
import { rootRoutes, type Spec } from '#src/routes/root.js'
import { serve } from '../../support/serve.js'
import { send } from '../../support/service.js'

const operation = { summary: 'What it does', responses: { 200: { description: 'Done' } } }
const document: Spec = {
  openapi: '3.0.3',
  info: { title: 'My <gate>', version: '1', description: 'Takes events' },
  paths: Object.fromEntries(
    ['/', '/robots.txt', '/a/{b}', '/_dev/events', '/absent'].map(path => [path, { get: operation }]),
  ),
}

async function start(t: TestContext, mounted: string[], spec = document): Promise<string> {
  const web = express()
  for (const route of rootRoutes(spec, mounted)) mount(web, route, {} as Responder)
  return serve(t, web)
}

test('/?spec has the paths that are mounted, or below one that is', async t => {
  const paths = async (mounted: string[]) =>
    Object.keys((await send(`${await start(t, mounted)}/?spec`)).json().paths)
  assert.deepEqual(await paths([]), ['/', '/robots.txt'])
  assert.deepEqual(await paths(['/a/:b']), ['/', '/robots.txt', '/a/{b}'])
  assert.deepEqual(await paths(['/_dev/']), ['/', '/robots.txt', '/_dev/events'])
})

test('/?doc is a page of the same, in which nothing is markup that was not meant to be', async t => {
  const example = {
    title: 'One',
    request: { params: { b: 'x' }, query: { q: '' } },
    response: { status: 200, body: [1] },
  }
  const spec = { ...document, paths: { '/a/{b}': { get: { ...operation, 'x-amples': [example] } } } }
  const url = await start(t, ['/a/:b'], spec)
  const { headers, body } = await send(`${url}/?doc`)
  assert.match(String(headers['content-type']), /^text\/html/)
  assert.match(body, /<title>My &lt;gate&gt;: HTTP API<\/title>/)
  assert.match(body, /<section id="get-a-b-">/)
  assert.match(body, /<pre>GET \/a\/x\?q<\/pre><p>is answered<\/p><pre>200\n\[1\]<\/pre>/)
  assert.doesNotMatch(body, /absent/)
})

test('/ alone is left to others, and robots are asked to stay away', async t => {
  const url = await start(t, [])
  assert.equal((await send(url)).status, 404)
  assert.match((await send(`${url}/robots.txt`)).body, /Disallow: \//)
})
