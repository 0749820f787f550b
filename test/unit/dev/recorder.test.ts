import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Entry, Recorder } from '#src/lib/dev/recorder.js'

function entry(more: Partial<Entry> = {}): Omit<Entry, 'seq'> {
  return {
    ...{ receivedAt: 1_000_000, requestId: 'r', index: 0, delivery: 'guaranteed', verdict: 'accepted' },
    ...{ stream: 's', schemaUri: '/a/b/1.0.0', text: '{}', cut: false, produced: null, error: null },
    ...{ request: { headers: {}, clientIp: undefined }, query: {} },
    ...more,
  }
}

const seqs = (entries: readonly Entry[]) => entries.map(({ seq }) => seq)
const anyFilter = { count: 1, since: 0, ms: 60_000, signal: new AbortController().signal }

test('it keeps the latest, bounded by count', () => {
  const recorder = new Recorder({ maxEntries: 3, maxBytes: 1e9 })
  for (let i = 0; i < 1000; i++) recorder.add(entry())
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
    for (let i = 0; i < 50; i++) recorder.add(entry(more))
    assert.equal(recorder.kept, 4, JSON.stringify(more).slice(0, 30))
    assert.ok(recorder.bytes <= 100_000)
    recorder.reset()
    assert.equal(recorder.bytes, 0)
  }
})

test('one that is larger than all room is kept alone', () => {
  const recorder = new Recorder({ maxEntries: 10, maxBytes: 1000 })
  recorder.add(entry())
  recorder.add(entry({ text: 'x'.repeat(5000) }))
  assert.deepEqual(seqs(recorder.list({}, 10)), [2])
  recorder.add(entry())
  assert.deepEqual(seqs(recorder.list({}, 10)), [3])
})

test('filters', () => {
  const recorder = new Recorder()
  recorder.add(entry({ stream: 'one', text: '{"a":"Needle"}' }))
  recorder.add(
    entry({
      schemaUri: '/a/b/2.0.0',
      verdict: 'refused',
      error: { code: 'x', message: 'a Reason', errors: [] },
    }),
  )
  recorder.add(entry({ schemaUri: '/a/bc/1.0.0', verdict: 'failed', requestId: 'q' }))
  recorder.add(entry({ schemaUri: null, stream: null, verdict: 'unknown' }))
  const found = (filter: object) => seqs(recorder.list(filter, 10))
  assert.deepEqual(found({}), [4, 3, 2, 1])
  assert.deepEqual(found({ stream: 'one' }), [1])
  assert.deepEqual(found({ schema: '/a/b/1.0.0' }), [1])
  assert.deepEqual(found({ schema: 'a/b' }), [2, 1])
  assert.deepEqual(found({ outcome: 'refused' }), [2])
  assert.deepEqual(found({ outcome: 'refused,unknown' }), [4, 2])
  assert.deepEqual(found({ code: 'x' }), [2])
  assert.deepEqual(found({ requestId: 'q' }), [3])
  assert.deepEqual(found({ text: 'needle' }), [1])
  assert.deepEqual(found({ text: 'reason' }), [2])
  assert.deepEqual(found({ text: 'reason', outcome: 'accepted' }), [])
  assert.deepEqual(seqs(recorder.list({}, 2, 4)), [3, 2])
})

test('waiting is over when so many have come, kept ones after `since` among them', async () => {
  const recorder = new Recorder()
  recorder.add(entry({ stream: 'a' }))
  assert.deepEqual(seqs((await recorder.wait({ stream: 'a' }, anyFilter)) as Entry[]), [1])
  const waiting = recorder.wait({ stream: 'a' }, { ...anyFilter, since: 1, count: 2 })
  for (const stream of ['a', 'b', 'a']) recorder.add(entry({ stream }))
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
  recorder.add(entry())
  assert.deepEqual(seqs((await next) as Entry[]), [1])
})

test('counts are of all that came, with so many names and so many seconds', () => {
  const recorder = new Recorder({ maxEntries: 1, maxBytes: 1e9 })
  for (let i = 0; i < 1200; i++) recorder.add(entry({ stream: `s${i}`, receivedAt: 1_000_000 + i * 1000 }))
  recorder.add(
    entry({ verdict: 'refused', error: { code: 'x', message: '', errors: [] }, receivedAt: 2_199_000 }),
  )
  const { by_stream, by_schema, by_code, timeline } = recorder.counts(2_199_500)
  assert.equal(by_stream.length, 1001)
  assert.equal(by_stream.find(({ name }) => name === '(others)')?.accepted, 200)
  assert.deepEqual(
    by_schema.map(({ accepted, refused }) => ({ accepted, refused })),
    [{ accepted: 1200, refused: 1 }],
  )
  assert.deepEqual(by_code, { x: 1 })
  assert.equal(timeline.length, 120)
  assert.deepEqual(timeline.at(-1), { at: '1970-01-01T00:36:39.000Z', accepted: 1, refused: 1 })
  recorder.reset()
  assert.deepEqual(recorder.counts(2_199_500), { by_stream: [], by_schema: [], by_code: {}, timeline: [] })
  recorder.add(entry())
  assert.equal(recorder.lastSeq, 1202)
})
