import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reachability } from '#src/lib/remote/reachability.js'

test('an address has the state of the last request to it', () => {
  const reachability = new Reachability()
  reachability.answered('a')
  reachability.failed('b', 'refused')
  reachability.failed('c', 'timeout')
  reachability.answered('c')
  assert.deepEqual(reachability.statesOf(['a', 'b', 'a', 'c', 'd']), [
    { address: 'a', state: 'reachable' },
    { address: 'b', state: 'unreachable', problem: 'refused' },
    { address: 'c', state: 'reachable' },
    { address: 'd', state: 'untried' },
  ])
})

test('it forgets the oldest of a thousand addresses', () => {
  const reachability = new Reachability()
  for (let i = 0; i <= 1000; i++) reachability.answered(`a${i}`)
  reachability.failed('a1', 'again')
  assert.deepEqual(
    reachability.statesOf(['a0', 'a1', 'a1000']).map(({ state }) => state),
    ['untried', 'unreachable', 'reachable'],
  )
})
