import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { detached, discard, flattened } from '#src/lib/runtime/memory.js'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

function heapOf(keep: () => unknown): number {
  collect()
  const before = process.memoryUsage().heapUsed
  const kept = keep()
  collect()
  const used = process.memoryUsage().heapUsed - before
  assert.ok(kept)
  return used
}

test('a detached slice does not keep the text it was cut from', () => {
  const megabytes = () => Buffer.alloc(4 * 1024 * 1024, 'x').toString()
  assert.ok(heapOf(() => megabytes().slice(0, 100)) > 3_000_000, 'else the test shows nothing')
  assert.ok(heapOf(() => detached(megabytes().slice(0, 100))) < 1_000_000)
  assert.equal(detached('schön 😀'), 'schön 😀')
})

test('a flattened text is the same text', () => {
  assert.equal(flattened(`${'a'.repeat(20)}-${'b'.repeat(20)}`), 'aaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbbbbbb')
})

test('a large Buffer is freed at once, one that shares its memory is left alone', () => {
  const large = Buffer.from(new ArrayBuffer(64 * 1024))
  discard(large)
  assert.equal(large.length, 0)
  const memory = new ArrayBuffer(64 * 1024)
  const [part, rest] = [Buffer.from(memory, 0, 32 * 1024), Buffer.from(memory, 32 * 1024)]
  discard(part)
  assert.deepEqual([part.length, rest.length], [32 * 1024, 32 * 1024])
  const small = Buffer.from(new ArrayBuffer(100))
  discard(small)
  assert.equal(small.length, 100)
})
