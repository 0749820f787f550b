import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GateError } from '#src/lib/errors.js'
import type { Spool } from '#src/lib/spool/spool.js'
import { type Call, failure } from '../../support/simulated-disk.js'
import { drain, makeWorld, readAll, record, settled, valuesOf } from '../../support/spool.js'

/** How each append ends: `ok`, or the code. */
async function append(spool: Spool, ...values: string[]): Promise<string[]> {
  return Promise.all(
    values.map(async value => {
      const appended = spool.append(record(value))
      if (!appended) return 'not taken'
      return appended.then(
        () => 'ok',
        (error: GateError) => error.code,
      )
    }),
  )
}

/** A log in which '1' was stored, and the fault that its disk has from now on. */
async function failing(fault: (call: Call, name: string) => void) {
  const world = makeWorld()
  const spool = await world.open({ segmentBytes: 1_000_000 })
  assert.deepEqual(await append(spool, '1'), ['ok'])
  world.machine.fault = fault
  return { ...world, spool }
}

/** What a later process finds after the power was lost. */
async function found({
  machine,
  open,
}: Pick<ReturnType<typeof makeWorld>, 'machine' | 'open'>): Promise<string[]> {
  machine.fault = () => {}
  machine.capacity = Infinity
  machine.isReadOnly = false
  machine.crash()
  return valuesOf(await readAll(await open()))
}

test('events that come while one commit is synced share the next', async () => {
  const { open, machine } = makeWorld()
  const spool = await open()
  await append(spool, '0')
  let syncs = 0
  machine.onCall = call => {
    if (call === 'sync') syncs++
  }
  const all = await Promise.all([
    append(spool, '1'),
    new Promise(setImmediate).then(() => append(spool, '2', '3')),
    append(spool, '4'),
  ])
  assert.deepEqual(all.flat(), ['ok', 'ok', 'ok', 'ok'])
  assert.ok(syncs <= 2, `${syncs}`)
})

test('nothing is answered before it is synced, nor before the names of its files are', async () => {
  const { open, machine } = makeWorld()
  const spool = await open()
  const calls: string[] = []
  machine.onCall = call => calls.push(call)
  const appended = spool.append(record('1'))?.then(() => calls.push('answered'))
  await appended
  const answered = calls.indexOf('answered')
  const lastWrite = calls.lastIndexOf('write', answered)
  assert.ok(calls.lastIndexOf('sync', answered) > lastWrite)
  assert.ok(calls.includes('syncDirectory') && calls.indexOf('syncDirectory') < answered)
})

test('a disk that is full, also half-way through a write: refused, truthfully, and later it works again', async () => {
  for (const room of [0, 10, 60, 200]) {
    const world = await failing(() => {})
    const { spool, machine, clock } = world
    machine.capacity = machine.bytes + room
    assert.deepEqual(await append(spool, '2'.repeat(100), '3'.repeat(100)), [
      'produce_failed',
      'produce_failed',
    ])
    assert.match(spool.state.broken ?? '', /ENOSPC/)
    assert.deepEqual(await append(spool, '4'), ['not taken'])
    machine.capacity = Infinity
    clock.pass(1000)
    await settled()
    assert.equal(spool.state.broken, undefined)
    assert.deepEqual(await append(spool, '5'), ['ok'])
    assert.deepEqual(await found(world), ['1', '5'])
  }
})

test('EIO on a write: refused, truthfully', async () => {
  const world = await failing(call => {
    if (call === 'write') throw failure('EIO')
  })
  assert.deepEqual(await append(world.spool, '2'), ['produce_failed'])
  assert.deepEqual(await found(world), ['1'])
})

test('EIO on a sync: refused, truthfully, and the segment is not written to any more', async () => {
  let failed = false
  const world = await failing(call => {
    if (call !== 'sync' || failed) return
    failed = true
    throw failure('EIO')
  })
  const { spool, machine, clock } = world
  assert.deepEqual(await append(spool, '2'), ['produce_failed'])
  clock.pass(1000)
  await settled()
  const before = machine.contentOf('0000000000000000.0.log')
  assert.deepEqual(await append(spool, '3'), ['ok'])
  assert.deepEqual(machine.contentOf('0000000000000000.0.log'), before)
  assert.deepEqual(valuesOf(await readAll(spool)), ['1', '3'])
  assert.deepEqual(await found(world), ['1', '3'])
})

test('EIO on a sync, and it cannot be cut off either: the events may be stored, and that is said', async () => {
  let failed = false
  const world = await failing(call => {
    if (call === 'truncate') throw failure('EIO')
    if (call !== 'sync' || failed) return
    failed = true
    throw failure('EIO')
  })
  assert.deepEqual(await append(world.spool, '2'), ['produce_unknown'])
  assert.equal(world.spool.size, 1)
})

test('a file system that becomes read-only: what was stored can be read, and nothing is taken until it is well', async () => {
  const world = await failing(() => {})
  const { spool, machine, clock } = world
  machine.isReadOnly = true
  // It cannot be cut off, so that a later process may find it.
  assert.deepEqual(await append(spool, '2'), ['produce_unknown'])
  for (let seconds = 0; seconds < 40; seconds += 5) {
    clock.pass(5000)
    await settled()
    assert.deepEqual(await append(spool, '3'), ['not taken'])
  }
  const stored = await readAll(spool)
  assert.deepEqual(valuesOf(stored), ['1'])
  await assert.rejects(drain(spool, stored), /EROFS/, 'no attempt is made that the journal does not know')
  machine.isReadOnly = false
  clock.pass(60_000)
  await settled()
  assert.deepEqual(await append(spool, '4'), ['ok'])
  await drain(spool, stored)
  assert.deepEqual(
    (await found(world)).filter(value => value !== '2'),
    ['4'],
  )
})

test('a disk that does not answer: what waits is refused, what is on its way is not', async () => {
  let go = () => {}
  const world = makeWorld()
  const { clock, machine } = world
  const spool = await world.open()
  await append(spool, '1')
  machine.hold = call => (call === 'sync' ? new Promise<void>(resolve => (go = resolve)) : undefined)
  const first = append(spool, '2')
  await settled()
  const second = append(spool, '3')
  // The process is held up itself, and reads no answer.
  clock.pass(10_000)
  assert.equal(spool.state.broken, undefined)
  clock.pass(249)
  assert.equal(spool.state.broken, undefined)
  clock.pass(1)
  assert.deepEqual(await second, ['produce_failed'])
  assert.deepEqual(await append(spool, '4'), ['not taken'])
  machine.hold = () => undefined
  go()
  assert.deepEqual(await first, ['ok'])
  assert.equal(spool.state.broken, undefined)
  assert.deepEqual(await append(spool, '5'), ['ok'])
  assert.deepEqual(await found(world), ['1', '2', '5'])
})

test('an event whose time is up before it is written is not written', async () => {
  const { open, clock } = makeWorld()
  const spool = await open()
  const late = spool.append(record('1'), clock.now() + 5)
  clock.pass(10)
  await assert.rejects(late as Promise<void>, { code: 'deadline_not_stored' })
  assert.equal(spool.size, 0)
})

test('guaranteed events go before hasty ones, of which a commit has a part only', async () => {
  const { open } = makeWorld()
  const spool = await open({ maxBytes: 40_000_000, segmentBytes: 10_000_000 })
  const order: string[] = []
  const add = (value: string, delivery: 'guaranteed' | 'hasty') =>
    spool.append(record(value.padEnd(50_000), { delivery }))?.then(() => order.push(value))
  const hasty = Array.from({ length: 20 }, (_, i) => add(`h${i}`, 'hasty'))
  const guaranteed = Array.from({ length: 5 }, (_, i) => add(`g${i}`, 'guaranteed'))
  await Promise.all([...hasty, ...guaranteed])
  assert.deepEqual(order.slice(0, 5), ['g0', 'g1', 'g2', 'g3', 'g4'])
  const all = valuesOf(await readAll(spool)).map(value => value.trim())
  assert.deepEqual(all, order, 'in the order of the log')
})

test('a segment that is full is followed by another', async () => {
  const { open, machine } = makeWorld()
  const spool = await open({ segmentBytes: 2000 })
  for (let i = 0; i < 20; i++) await append(spool, `${i}`.padEnd(300))
  const sizes = machine.names
    .filter(name => name.endsWith('.log'))
    .map(name => machine.contentOf(name).length)
  assert.ok(sizes.length >= 4 && sizes.every(size => size < 2500), sizes.join())
})
