import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { BodyReader } from '#src/lib/http/body-reader.js'
import { Room } from '#src/lib/http/room.js'

const JSON_TYPE = { 'content-type': 'application/json' }
const limits = { maxBytes: 1024 * 1024, maxEvents: 1000, maxRequests: 10 }

/** A request whose body a test writes. */
function request(headers: Record<string, string>): PassThrough & IncomingMessage {
  return Object.assign(new PassThrough(), { headers, httpVersion: '1.1' }) as never
}

function open(headers: Record<string, string>, maxBytes = 100_000) {
  const req = request({ ...JSON_TYPE, ...headers })
  const incoming = new BodyReader({ maxBytes }).open(req, {} as ServerResponse, 'guaranteed')
  const room = new Room(limits)
  const hold = room.enter(incoming.length, () => 60_000)
  const receive = (each: 'body' | 'piece' = 'body', ms = 60_000) => incoming.receive(hold, { ms, each })
  return { req, room, hold, receive, length: incoming.length }
}

test('a body is its pieces, however many there are, and each is charged', async () => {
  const { req, room, receive } = open({})
  const received = receive()
  for (let i = 0; i < 1000; i++) req.write('ab')
  req.end('c')
  assert.equal((await received)?.toString(), `${'ab'.repeat(1000)}c`)
  assert.equal(room.bytes, 2001)
})

test('a coded body is charged for what it is when decoded', async () => {
  const text = JSON.stringify({ a: 'x'.repeat(50_000) })
  for (const [coding, bytes] of [
    ['gzip', gzipSync(text)],
    ['br', brotliCompressSync(text)],
  ] as const) {
    const { req, room, receive } = open({ 'content-encoding': coding })
    const received = receive()
    req.end(bytes)
    assert.equal((await received)?.toString(), text)
    assert.equal(room.bytes, text.length)
  }
})

test('a body that is too large is refused: as announced, as it comes, or when it is decoded', async () => {
  const tooLarge = { code: 'body_too_large' }
  assert.throws(() => open({ 'content-length': '101' }, 100), tooLarge)
  assert.equal(open({ 'content-length': '100' }, 100).length, 100)
  const chunked = open({}, 100)
  const received = chunked.receive()
  chunked.req.write(Buffer.alloc(101))
  await assert.rejects(received, tooLarge)
  for (const size of [1000, 100_000]) {
    const coded = open({ 'content-encoding': 'gzip' }, 900)
    const decoded = coded.receive()
    coded.req.end(gzipSync(Buffer.alloc(size)))
    await assert.rejects(decoded, tooLarge)
  }
})

test('a body that is not of its coding is malformed', async () => {
  const { req, receive } = open({ 'content-encoding': 'gzip' })
  const received = receive()
  req.end('{}')
  await assert.rejects(received, { code: 'body_malformed', message: /not gzip/ })
})

test('content types and transfer codings that cannot be read are refused before the body', () => {
  const refused = (headers: Record<string, string>) => {
    try {
      open(headers)
    } catch (error) {
      return (error as { code: string }).code
    }
    return undefined
  }
  for (const type of ['application/json', 'TEXT/plain; charset="UTF-8"', "application/json; charset='utf8'"])
    assert.equal(refused({ 'content-type': type }), undefined, type)
  for (const type of ['', 'text/html', 'application/json; charset=latin1'])
    assert.equal(refused({ 'content-type': type }), 'content_type_unsupported', type)
  assert.equal(refused({ 'transfer-encoding': 'Chunked' }), undefined)
  assert.equal(refused({ 'transfer-encoding': 'gzip, chunked' }), 'content_encoding_unsupported')
})

test('a client that goes away has no body', async () => {
  const { req, receive } = open({})
  const received = receive()
  req.write('{')
  req.destroy()
  assert.equal(await received, undefined)
})

test('a body that does not arrive in time is refused, with how much of it did', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { req, receive } = open({})
  const received = receive('body', 100)
  req.write('abc')
  await new Promise(setImmediate)
  t.mock.timers.tick(100)
  await assert.rejects(received, { code: 'body_timeout', message: /: 3 bytes/ })
})

test('the client is told to go on before its body is read, unless it speaks HTTP/1.0', async () => {
  for (const [httpVersion, expected] of [
    ['1.1', 1],
    ['1.0', 0],
  ] as const) {
    const req = Object.assign(request({ ...JSON_TYPE, expect: '100-continue' }), { httpVersion })
    let told = 0
    const res = { writeContinue: () => void told++ } as unknown as ServerResponse
    const incoming = new BodyReader({ maxBytes: 100 }).open(req, res, 'guaranteed')
    const hold = new Room(limits).enter(0, () => 60_000)
    const received = incoming.receive(hold, { ms: 60_000, each: 'body' })
    req.end('{}')
    await once(req, 'end')
    await received
    assert.equal(told, expected, httpVersion)
  }
})
