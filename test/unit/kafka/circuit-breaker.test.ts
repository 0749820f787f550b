import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CircuitBreaker } from '#src/lib/kafka/circuit-breaker.js'

const states = (breaker: CircuitBreaker) => ({
  closed: breaker.isClosed,
  well: breaker.isWell,
  rejects: breaker.rejects(false),
  rejectsBusy: breaker.rejects(true),
  needsProbe: breaker.needsProbe,
})
const WELL = { closed: true, well: true, rejects: false, rejectsBusy: false, needsProbe: false }
const FAILING = { ...WELL, well: false }
const OPEN = { closed: false, well: false, rejects: true, rejectsBusy: true, needsProbe: true }
const HALF_OPEN = { ...OPEN, rejects: false, needsProbe: false }

test('closed: it takes events, also while it fails, and says that it is not well', () => {
  const breaker = new CircuitBreaker()
  assert.deepEqual(states(breaker), WELL)
  breaker.fail('too few replicas')
  assert.deepEqual(states(breaker), FAILING)
  assert.deepEqual([breaker.failures, breaker.problem], [1, 'too few replicas'])
  breaker.fail()
  assert.deepEqual([breaker.failures, breaker.problem], [2, 'too few replicas'])
  breaker.succeed()
  assert.deepEqual(states(breaker), WELL)
})

test('open: it takes nothing until what it needs can be reached, then one event at a time', () => {
  const breaker = new CircuitBreaker()
  breaker.trip('no leader')
  assert.deepEqual(states(breaker), OPEN)
  breaker.reachable()
  assert.deepEqual(states(breaker), HALF_OPEN)
  breaker.unreachable()
  assert.deepEqual(states(breaker), OPEN)
})

test('half-open: a failure opens it, only a success closes it', () => {
  const breaker = new CircuitBreaker()
  breaker.trip()
  breaker.reachable()
  breaker.fail('again')
  assert.deepEqual(states(breaker), OPEN)
  breaker.reachable()
  breaker.reachable()
  assert.deepEqual(states(breaker), HALF_OPEN)
  breaker.succeed()
  assert.deepEqual(states(breaker), WELL)
  assert.equal(breaker.failures, 0)
})

test('whether something can be reached says nothing of a closed one', () => {
  const breaker = new CircuitBreaker()
  breaker.reachable()
  assert.deepEqual(states(breaker), WELL)
  breaker.unreachable()
  assert.deepEqual(states(breaker), WELL)
})
