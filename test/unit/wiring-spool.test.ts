import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Spilled } from '#src/lib/kafka/spill.js'
import type { Spool } from '#src/lib/spool/spool.js'
import { spilling, spoolOf } from '#src/wiring-spool.js'

const EVENT: Spilled = {
  key: null,
  value: 'a',
  valueBytes: 1,
  timestamp: 1,
  headers: undefined,
  origin: undefined,
  deadline: 100,
}

function setUp(of: { broken?: string; takes?: boolean; phase?: 'none' | 'spooling' }) {
  const seen = { appended: [] as unknown[], refused: [] as string[], spooled: 0 }
  const spool = {
    size: 1,
    phase: () => of.phase ?? 'none',
    state: { broken: of.broken },
    append(record: unknown, deadline: number) {
      seen.appended.push([record, deadline])
      return of.takes === false ? undefined : Promise.resolve()
    },
  } as unknown as Spool
  const made = spilling('guaranteed', 1000, () => spool, {
    refused: (_delivery, reason) => seen.refused.push(reason),
    spooled: () => {
      seen.spooled++
    },
  })
  return { ...made, seen }
}

test('the spool gets an event with the name by which its stream is counted', async () => {
  const { overflow, seen } = setUp({})
  const origin = { name: 's.1', topic: 'dc.s.1', configuredAs: '/^s/' }
  await overflow.take({ ...EVENT, origin } as Spilled, 'dc.s.1', 3)
  await overflow.take(EVENT, 't', -1)
  const { deadline, origin: _, ...event } = EVENT
  assert.deepEqual(seen.appended, [
    [{ ...event, topic: 'dc.s.1', partition: 3, stream: '/^s/', delivery: 'guaranteed' }, deadline],
    [{ ...event, topic: 't', partition: -1, stream: 't', delivery: 'guaranteed' }, deadline],
  ])
  assert.equal(seen.spooled, 2)
})

test('an event whose stream has opted out is not taken', () => {
  const { overflow, seen } = setUp({})
  assert.equal(overflow.take({ ...EVENT, origin: { spool: false } }, 't', 0), undefined)
  assert.deepEqual([seen.appended, seen.refused], [[], []])
})

test('a full spool leaves an event to Kafka, unless it would overtake others there', async () => {
  const full = setUp({ takes: false })
  assert.equal(full.overflow.take(EVENT, 't', 0), undefined)
  const behind = setUp({ takes: false, phase: 'spooling' })
  await assert.rejects(behind.overflow.take(EVENT, 't', 0) ?? Promise.resolve(), { code: 'producer_full' })
  assert.deepEqual([full.seen.refused, behind.seen.refused], [['full'], ['full']])
})

test('a broken spool, or one that is not open, leaves all events to Kafka', () => {
  const broken = setUp({ takes: false, phase: 'spooling', broken: 'EIO' })
  assert.equal(broken.overflow.take(EVENT, 't', 0), undefined)
  assert.deepEqual(broken.seen.refused, ['broken'])
  const reports = { refused: () => {}, spooled: () => {} }
  const { overflow, holds } = spilling('hasty', 1000, () => undefined, reports)
  assert.equal(overflow.take(EVENT, 't', 0), undefined)
  assert.deepEqual([overflow.size, overflow.phase('t', 0), holds('t', 0)], [0, 'none', false])
})

test('each worker has a directory of its own, and a process that serves alone has the whole', () => {
  const settings = { directory: '/a', maxBytes: 1, afterMs: 1, persistent: true }
  assert.equal(spoolOf(settings, { number: 1, count: 2 }).directory, '/a/1')
  assert.equal(spoolOf(settings, undefined), settings)
})
