import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from '#src/lib/dev/entry.js'
import { Recorder } from '#src/lib/dev/recorder.js'
import { entryOf } from '../../support/dev-entry.js'

const seqs = (entries: readonly Entry[]) => entries.map(({ seq }) => seq)
const anyFilter = { count: 1, since: 0, ms: 60_000, signal: new AbortController().signal }

test('it keeps the latest, bounded by count', () => {
  const recorder = new Recorder({ maxEntries: 3, maxBytes: 1e9 })
  for (let i = 0; i < 1000; i++) recorder.add(entryOf())
  assert.deepEqual(seqs(recorder.list({}, 10)), [1000, 999, 998])
  assert.equal(recorder.kept, 3)
  assert.equal(recorder.dropped, 997)
  assert.equal(recorder.get(997), undefined)
  assert.equal(recorder.get(998)?.seq, 998)
  assert.equal(recorder.get(1001), undefined)
  assert.equal(recorder.get(Number.NaN), undefined)
})

test('it keeps the latest, bounded by bytes, of texts, what was produced, and headers', () => {
  const long = 'x'.repeat(10_000)
  const heavy: Partial<Entry>[] = [
    { text: long },
    { produced: { topic: 't', key: null, timestamp: 0, text: long } },
    { request: { headers: { cookie: long }, clientIp: undefined } },
    { error: { code: 'c', message: long, errors: [] } },
  ]
  for (const more of heavy) {
    const recorder = new Recorder({ maxEntries: 1000, maxBytes: 100_000 })
    for (let i = 0; i < 50; i++) recorder.add(entryOf(more))
    assert.equal(recorder.kept, 4, JSON.stringify(more).slice(0, 30))
    assert.ok(recorder.bytes <= 100_000)
    recorder.reset()
    assert.equal(recorder.bytes, 0)
  }
})

test('one that is larger than all room is kept alone', () => {
  const recorder = new Recorder({ maxEntries: 10, maxBytes: 1000 })
  recorder.add(entryOf())
  recorder.add(entryOf({ text: 'x'.repeat(5000) }))
  assert.deepEqual(seqs(recorder.list({}, 10)), [2])
  recorder.add(entryOf())
  assert.deepEqual(seqs(recorder.list({}, 10)), [3])
})

test('waiting is over when so many have come, kept ones after `since` among them', async () => {
  const recorder = new Recorder()
  recorder.add(entryOf({ stream: 'a' }))
  assert.deepEqual(seqs((await recorder.wait({ stream: 'a' }, anyFilter)) as Entry[]), [1])
  const waiting = recorder.wait({ stream: 'a' }, { ...anyFilter, since: 1, count: 2 })
  for (const stream of ['a', 'b', 'a']) recorder.add(entryOf({ stream }))
  assert.deepEqual(seqs((await waiting) as Entry[]), [2, 4])
})

test('waiting is over when the time is, or when nobody waits any more', async () => {
  const recorder = new Recorder()
  assert.equal(await recorder.wait({}, { ...anyFilter, ms: 1 }), undefined)
  const gone = new AbortController()
  const waiting = recorder.wait({}, { ...anyFilter, signal: gone.signal })
  gone.abort()
  assert.equal(await waiting, undefined)
})

test('only so many wait at one time', async () => {
  const recorder = new Recorder()
  const gone = new AbortController()
  const options = { ...anyFilter, signal: gone.signal }
  const waiting = Array.from({ length: 100 }, () => recorder.wait({}, options))
  assert.equal(await recorder.wait({}, options), 'full')
  gone.abort()
  await Promise.all(waiting)
  const next = recorder.wait({}, anyFilter)
  recorder.add(entryOf())
  assert.deepEqual(seqs((await next) as Entry[]), [1])
})

test('a list is the newest first, of those that match and are older than a number', () => {
  const recorder = new Recorder()
  for (const stream of ['a', 'b', 'a', 'a']) recorder.add(entryOf({ stream }))
  assert.deepEqual(seqs(recorder.list({}, 2, 4)), [3, 2])
  assert.deepEqual(seqs(recorder.list({ stream: 'a' }, 10)), [4, 3, 1])
})

test('a reset forgets the entries and the counts, and goes on with the numbers', () => {
  const recorder = new Recorder()
  recorder.add(entryOf())
  let changes = 0
  recorder.onceChanged(() => changes++)
  recorder.reset()
  assert.equal(changes, 1)
  assert.deepEqual(recorder.after(0, 10), [])
  assert.deepEqual(recorder.counts(1_000_000), { by_stream: [], by_schema: [], by_code: {}, timeline: [] })
  recorder.add(entryOf())
  assert.equal(recorder.lastSeq, 2)
})
