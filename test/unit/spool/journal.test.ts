import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JOURNAL, Journal, readJournal } from '#src/lib/spool/journal.js'
import type { Entry } from '#src/lib/spool/journal-entries.js'
import { randomFrom } from '../../support/kafka-fake.js'
import { failure, SimulatedDisk } from '../../support/simulated-disk.js'
import { SetClock, settled } from '../../support/spool.js'

function setUp() {
  const machine = new SimulatedDisk({ random: randomFrom(1) })
  const clock = new SetClock()
  const bases: number[] = []
  const troubles: string[] = []
  const disk = machine.mount()
  const journal = new Journal(
    disk,
    clock,
    () => bases.map((base): Entry => ({ kind: 'opened', base })),
    message => troubles.push(message),
  )
  const write = (base: number) => journal.write({ kind: 'opened', base }, () => bases.push(base))
  const read = async () => {
    machine.crash()
    const { entries, isDamaged } = await readJournal(machine.mount(), machine.contentOf(JOURNAL).length)
    assert.equal(isDamaged, false)
    return entries.map(entry => 'base' in entry && entry.base)
  }
  return { machine, clock, bases, troubles, journal, write, read }
}

test('what was written is there after a crash', async () => {
  const { journal, write, read } = setUp()
  await journal.begin()
  await Promise.all([write(1), write(2)])
  await write(3)
  assert.deepEqual(await read(), [1, 2, 3])
})

test('what was noted is there once anything after it was written', async () => {
  const { journal, write, read } = setUp()
  await journal.begin()
  journal.note({ kind: 'removed', base: 7 })
  await write(8)
  assert.deepEqual(await read(), [7, 8])
})

test('a journal that grows is replaced by what it amounts to', async () => {
  const { journal, write, bases, read } = setUp()
  await journal.begin()
  for (let base = 0; base < 20; base++) {
    bases.length = 0
    for (let i = 0; i < 2000; i++) journal.note({ kind: 'removed', base: 1e15 + i })
    await Promise.all(Array.from({ length: 2000 }, () => write(1e15)))
    assert.ok(journal.bytes < 5_000_000, `${journal.bytes}`)
  }
  bases.splice(0, bases.length, 5)
  journal.renew()
  await write(6)
  assert.deepEqual(await read(), [5, 6])
})

test('after a failure nothing is written for a second, then the journal is begun anew', async () => {
  for (const failing of ['write', 'sync'] as const) {
    const { journal, write, read, machine, clock, troubles } = setUp()
    await journal.begin()
    await write(1)
    machine.fault = call => {
      if (call === failing) throw failure('EIO')
    }
    await assert.rejects(write(2), /the journal cannot be written: EIO/)
    machine.fault = () => {}
    await assert.rejects(write(3))
    assert.equal(troubles.length, 1)
    clock.pass(1000)
    await write(4)
    assert.deepEqual(await read(), [1, 4], failing)
  }
})

test('a snapshot has what was synced before it, whatever comes at the same time', async () => {
  const { journal, write, read, bases } = setUp()
  await journal.begin()
  const writes = [write(1)]
  await settled()
  journal.renew()
  writes.push(write(2), write(3))
  await Promise.all(writes)
  assert.deepEqual([...new Set(await read())], [1, 2, 3])
  assert.deepEqual(bases, [1, 2, 3])
})
