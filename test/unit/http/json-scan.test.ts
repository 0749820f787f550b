import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestBody, readBody } from '#src/lib/http/body.js'
import { JsonScan, MAX_MEMBERS } from '#src/lib/http/json-scan.js'

const read = (text: string) => readBody(Buffer.from(text))

test('an event of nothing but brackets or keys is refused before it is parsed', () => {
  const refused = { code: 'body_too_large', status: 413 }
  const keys = (count: number) => Array.from({ length: count }, (_, n) => `"k${n}":1`).join(',')
  assert.throws(() => read(`{"a":[${'[],'.repeat(MAX_MEMBERS)}[]]}`), refused)
  assert.throws(() => read(`[{},{${keys(MAX_MEMBERS)}}]`), refused)
  // Nor is it worth parsing to learn that it is not JSON.
  assert.throws(() => read(`{"a":${'['.repeat(3_000_000)}}`), refused)
  // At the bound, in many events, and whatever stands in texts.
  assert.equal(read(`[${'{"a":{}},'.repeat(MAX_MEMBERS)}5]`).events.length, MAX_MEMBERS + 1)
  assert.equal(Object.keys(read(`{${keys(MAX_MEMBERS - 1)}}`).events[0] as object).length, MAX_MEMBERS - 1)
  assert.deepEqual(read(`{"a":"${'{[:\\"'.repeat(MAX_MEMBERS)}"}`).events.length, 1)
})

test('so is one of very many items, and a body of too many events', () => {
  const refused = { code: 'body_too_large', status: 413 }
  assert.throws(() => read(`{"a":[${'1,'.repeat(8_000_000)}1]}`), refused)
  const bytes = Buffer.from(`[${'1,'.repeat(5_000_000)}1e999]`)
  const body = new RequestBody(bytes, 50_000)
  let slices = 0
  assert.throws(() => {
    while (!body.count(0)) slices++
  }, refused)
  assert.ok(slices < 10, 'it is not read to its end')
  assert.throws(() => new RequestBody(Buffer.from('[1,2,3]'), 2).count(), refused)
  assert.equal(new RequestBody(Buffer.from('[1,2]'), 2).count(), true)
})

test('what parsing makes of the heaviest event is weighed, never too little', () => {
  const scanned = (text: string) => {
    const scan = new JsonScan(Buffer.from(text), 0)
    assert.equal(scan.read(), true)
    return scan
  }
  assert.equal(scanned('{"a":[1,{"b":":{[,"}]}').heaviest, 5 * 64 + 24)
  assert.equal(scanned('[1,{"a":[1,{"b":":{[,"}]},[]]').heaviest, 5 * 64 + 24)
  assert.equal(scanned('[1,2,3]').heaviest, 0)
})
