import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GateError } from '#src/lib/errors.js'
import type { Pending } from '#src/lib/kafka/batch.js'
import { Partition, type PartitionListener } from '#src/lib/kafka/partition.js'
import { Room, Share } from '#src/lib/kafka/share.js'
import { SETTINGS, TIMEOUT } from '../../support/kafka-sender.js'

/** A partition led by broker 0, whose sequence has an id. */
function setUp() {
  const outcomes = new Map<string, string>()
  const listener: PartitionListener = {
    settle: (record, error) => {
      record.settled = true
      outcomes.set(`${record.value}`, error?.code ?? 'stored')
    },
    late: () => {},
    refresh: () => {},
    tripped: () => {},
    complain: () => {},
    warn: () => {},
    deny: () => false,
  }
  const share = new Share(new Room(1e6, 1e6), { bytes: 0, messages: 0 })
  const format = { plain: false, bare: false }
  const partition = new Partition('t', 0, SETTINGS, listener, share, { plain: false }, format)
  partition.moved(0)
  partition.queue.sequence.identify({ producerId: 7, epoch: 0, issue: 0 })
  return { partition, outcomes }
}

function event(value: string, now: number): Pending {
  return {
    key: null,
    value,
    valueBytes: value.length,
    timestamp: 1,
    headers: undefined,
    size: value.length,
    deadline: now + TIMEOUT,
    patience: TIMEOUT,
    share: undefined,
    settled: false,
    resolve: () => {},
    reject: (_error: GateError) => {},
  }
}

function answer(code: number) {
  return { topic: 't', partition: 0, code, baseOffset: -1, recordErrors: [], message: null }
}

/** A partition with a request that is out, whose event was given up, and with a probe that waits behind it. */
function setUpProbe() {
  const made = setUp()
  const { partition } = made
  partition.append(event('given up', 0), 0)
  const request = { sentAt: 0 }
  const batch = partition.take(request, 0)
  partition.expire(TIMEOUT)
  assert.ok(partition.rejects)
  partition.breaker.reachable()
  partition.append(event('probe', TIMEOUT), TIMEOUT)
  return { ...made, batch, request }
}

test('a probe that is refused ends, because its client need not wait', () => {
  const { partition, outcomes } = setUpProbe()
  const request = { sentAt: TIMEOUT }
  partition.answered(partition.take(request, TIMEOUT), request, answer(19), TIMEOUT + 1, 40, false)
  assert.equal(outcomes.get('probe'), 'partition_unavailable')
})

test('a probe that was overtaken by a success is sent again like any event', () => {
  const { partition, outcomes, batch, request: first } = setUpProbe()
  partition.answered(batch, first, answer(0), TIMEOUT + 1, 40, false)
  assert.ok(!partition.rejects)
  const second = { sentAt: TIMEOUT + 2 }
  const probe = partition.take(second, TIMEOUT + 2)
  partition.answered(probe, second, answer(19), TIMEOUT + 3, 40, false)
  assert.equal(outcomes.get('probe'), undefined)
  const third = { sentAt: TIMEOUT + 200 }
  assert.equal(partition.take(third, TIMEOUT + 200), probe)
  partition.answered(probe, third, answer(0), TIMEOUT + 201, 40, false)
  assert.equal(outcomes.get('probe'), 'stored')
})

test('what waits in line for longer than it should does not keep up, whatever holds it back', () => {
  const { partition } = setUp()
  assert.ok(partition.keepsUp(0))
  partition.append(event('x', 0), 0)
  assert.ok(partition.keepsUp(400))
  assert.ok(!partition.keepsUp(1000))
  const request = { sentAt: 1000 }
  partition.answered(partition.take(request, 1000), request, answer(0), 1010, 40, false)
  assert.ok(partition.keepsUp(1010))
})
