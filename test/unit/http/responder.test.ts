import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { GateError } from '#src/lib/errors.js'
import { Connections } from '#src/lib/http/connections.js'
import { answerToClientError, Responder, type ResponderOptions } from '#src/lib/http/responder.js'
import { serve } from '../../support/serve.js'
import { send } from '../../support/service.js'

const options: ResponderOptions = { cors: '*', csp: "default-src 'none'", readTimeoutMs: 1000 }
const connections = new Connections({ max: 10, maxAgeMs: 0 })

function headersFor(more: Partial<ResponderOptions>, headers: Record<string, string> = {}) {
  const responder = new Responder({ ...options, ...more }, connections)
  const list = responder.headersFor({ headers, socket: {} } as IncomingMessage)
  const pairs: [string, string][] = []
  for (let i = 0; i < list.length; i += 2) pairs.push([list[i] as string, list[i + 1] as string])
  return Object.fromEntries(pairs)
}

test('origins: all, some, or none', () => {
  const origin = 'https://a.example'
  const allowed = (cors: ResponderOptions['cors']) =>
    headersFor({ cors }, { origin })['access-control-allow-origin']
  assert.equal(allowed('*'), '*')
  assert.equal(allowed([origin, 'https://b.example']), origin)
  assert.equal(allowed(['https://b.example']), undefined)
  assert.equal(allowed(false), undefined)
  assert.equal(headersFor({ cors: ['https://b.example'] }).vary, 'origin', 'caches must tell them apart')
  assert.equal(headersFor({ cors: '*' })['access-control-allow-methods'], 'post')
})

test('headers for browsers can be left out, and a connection is closed after its last answer', () => {
  assert.equal(headersFor({})['content-security-policy'], "default-src 'none'")
  assert.equal(headersFor({ csp: false })['x-frame-options'], undefined)
  assert.equal(headersFor({}).connection, undefined)
  assert.equal(headersFor({}, { upgrade: 'h2c' }).connection, 'close')
  connections.closing = true
  assert.equal(headersFor({}).connection, 'close')
  connections.closing = false
})

test('a refusal is JSON with a length; a 503 says when to come back, within five seconds', async t => {
  const responder = new Responder(options, connections)
  const url = await serve(t, (req, res) => {
    if (req.method === 'OPTIONS') responder.preflight(req, res, 'POST, OPTIONS')
    else responder.refuse(req, res, new GateError('over_capacity', 'full'), ['x-more', 'yes'])
  })
  const reply = await send(url)
  assert.equal(reply.status, 503)
  assert.equal(reply.json().error[0].code, 'over_capacity')
  assert.equal(reply.headers['content-length'], String(reply.body.length))
  assert.match(String(reply.headers['retry-after']), /^[1-5]$/)
  assert.equal(reply.headers['x-more'], 'yes')
  const preflight = await send(url, { method: 'OPTIONS' })
  assert.deepEqual([preflight.status, preflight.headers.allow, preflight.body], [204, 'POST, OPTIONS', ''])
  assert.equal(preflight.headers['access-control-max-age'], '86400')
})

test('a request that is answered before its end can still read its answer', async t => {
  const responder = new Responder(options, connections)
  const url = await serve(t, (req, res) =>
    responder.refuse(req, res, new GateError('body_too_large', 'large')),
  )
  const reply = await send(url, { method: 'POST', body: 'x'.repeat(300_000) })
  assert.equal(reply.status, 413)
})

test('bytes that are no request are answered as well', () => {
  for (const [code, status, name] of [
    ['HPE_HEADER_OVERFLOW', 431, 'header_too_large'],
    ['ERR_HTTP_REQUEST_TIMEOUT', 408, 'body_timeout'],
    ['HPE_INVALID_METHOD', 400, 'request_malformed'],
  ] as const) {
    const answer = answerToClientError(code)
    assert.equal(answer.status, status)
    const [head = '', body = ''] = answer.text.split('\r\n\r\n')
    assert.match(head, new RegExp(`^HTTP/1.1 ${status} \\w`))
    assert.match(head, new RegExp(`\r\ncontent-length: ${body.length}\r\n`))
    assert.equal(JSON.parse(body).invalid[0].code, name)
  }
})
