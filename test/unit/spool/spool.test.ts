import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredRecord } from '#src/lib/spool/record.js'
import { attemptOf, drain, makeWorld, readAll, record, settled, valuesOf } from '../../support/spool.js'

test('what was appended is read in order, until it is done', async () => {
  const { open } = makeWorld()
  const spool = await open()
  for (const value of ['1', '2', '3']) await spool.append(record(value))
  const all = await readAll(spool)
  assert.deepEqual(valuesOf(all), ['1', '2', '3'])
  assert.deepEqual(await readAll(spool), [], 'they are taken')
  await drain(spool, all.slice(0, 2))
  spool.release(all)
  assert.deepEqual(valuesOf(await readAll(spool)), ['3'])
  assert.equal(spool.size, 1)
  assert.equal(spool.undone('t', 0), 1)
})

test('a record comes back as it was given', async () => {
  const { open, clock } = makeWorld()
  const spool = await open()
  const given = {
    ...record('{"a":"ü"}', { topic: 'ä', partition: -1, delivery: 'hasty', stream: 'strömung', key: 'k' }),
    headers: Buffer.from([2, 1, 2]),
  }
  await spool.append(given)
  const [{ position, spooledAt, bytes, ...back } = {} as StoredRecord] = await readAll(spool)
  assert.deepEqual({ ...back, value: `${back.value}` }, given)
  assert.equal(spooledAt, clock.wall())
  assert.ok(position >= 0 && bytes > 50)
})

test('a unit spools from the call on, and no more when its last event is done', async () => {
  const { open } = makeWorld()
  const spool = await open()
  const drained: string[] = []
  spool.onDrained = ({ topic, partition }) => drained.push(`${topic}-${partition}`)
  const appended = spool.append(record('1'))
  assert.equal(spool.phase('t', 0), 'spooling')
  assert.equal(spool.phase('t', 1), 'none')
  await appended
  spool.handOver({ topic: 't', partition: 0 })
  assert.equal(spool.phase('t', 0), 'handing_over')
  await drain(spool, await readAll(spool))
  assert.equal(spool.phase('t', 0), 'none')
  assert.deepEqual(drained, ['t-0'])
})

test('a later process finds what is not done', async () => {
  const { open } = makeWorld()
  let spool = await open()
  await Promise.all(['1', '2', '3', '4'].map(value => spool.append(record(value))))
  await drain(spool, (await readAll(spool)).slice(0, 1))
  await spool.close()
  assert.equal(spool.append(record('5')), undefined, 'it is closed')
  spool = await open()
  assert.equal(spool.size, 3)
  assert.equal(spool.phase('t', 0), 'spooling')
  assert.deepEqual([...spool.state.streams], [['t', 3]])
  assert.deepEqual(valuesOf(await readAll(spool)), ['2', '3', '4'])
})

test('an attempt that may be stored is in doubt after a crash, with exactly its records', async () => {
  const { open, machine } = makeWorld()
  let spool = await open()
  await Promise.all(['1', '2', '3', '4'].map(value => spool.append(record(value))))
  const all = await readAll(spool)
  const attempt = attemptOf([all[2], all[0]] as StoredRecord[])
  await spool.journal([attempt])
  machine.crash()
  spool = await open()
  assert.equal(spool.size, 4)
  assert.deepEqual(valuesOf(await readAll(spool)), ['2', '4'], 'those in doubt are taken')
  const [doubt = attempt] = spool.inDoubt
  assert.equal(doubt.sequence, attempt.sequence)
  assert.deepEqual(valuesOf((await spool.recordsOf(doubt)) ?? []), ['3', '1'])
  spool.forget(doubt)
  assert.deepEqual(valuesOf(await readAll(spool)), ['1', '3'])
  assert.deepEqual(spool.inDoubt, [])
})

test('an attempt in doubt is settled when its records are done', async () => {
  const { open, machine } = makeWorld()
  let spool = await open()
  await spool.append(record('1'))
  await spool.journal([attemptOf(await readAll(spool))])
  machine.crash()
  spool = await open()
  for (const one of (await spool.recordsOf(spool.inDoubt[0] as never)) ?? []) spool.done(one)
  assert.equal(spool.size, 0)
  await spool.close()
  assert.equal((await open()).size, 0)
})

test('records of a unit that is blocked are left out, and their segments are not read', async () => {
  const { open, machine } = makeWorld()
  const spool = await open()
  for (let i = 0; i < 100; i++) await spool.append(record(`${i}`.padEnd(100), { partition: i < 50 ? 0 : 1 }))
  const reads: string[] = []
  machine.onCall = (call, name) => {
    if (call === 'read') reads.push(name)
  }
  const well = await readAll(spool, ({ partition }) => partition === 0)
  assert.equal(well.length, 50)
  assert.ok(!reads.includes('0000000000000000.0.log'))
  assert.equal((await readAll(spool)).length, 50)
})

test('a later pass goes on where one ended', async () => {
  const { open } = makeWorld()
  const spool = await open()
  await spool.append(record('1'))
  const first = await readAll(spool)
  spool.release(first)
  await spool.append(record('2'))
  const second: string[] = []
  for await (const chunk of spool.pass(() => false, spool.passed)) second.push(...valuesOf(chunk))
  assert.deepEqual(second, ['2'])
})

test('done segments are removed, and those of which most is done are written anew', async () => {
  const { open, machine } = makeWorld()
  let spool = await open()
  for (let i = 0; i < 200; i++)
    await spool.append(record(`${i}`.padEnd(100), { partition: i % 10 === 0 ? 1 : 0 }))
  const before = spool.state.bytes
  await drain(spool, await readAll(spool, ({ partition }) => partition === 1))
  await settled()
  assert.equal(spool.size, 20)
  assert.ok(spool.state.bytes < before / 3, `${spool.state.bytes} of ${before}`)
  assert.ok(machine.names.length < 10, machine.names.join())
  await spool.close()
  spool = await open()
  assert.equal(spool.undone('t', 1), 20)
  const numbers = (await readAll(spool)).map(({ value }) => Number(`${value}`))
  assert.deepEqual(
    numbers,
    Array.from({ length: 20 }, (_, i) => 10 * i),
  )
})

test('it is never larger than its bound, and takes events again when there is room', async () => {
  const { open, machine } = makeWorld()
  const spool = await open({ maxBytes: 40_000 })
  let count = 0
  let largest = 0
  for (; ; count++) {
    const appended = spool.append(record('x'.repeat(500)))
    if (!appended) break
    await appended
    largest = Math.max(largest, machine.bytes)
  }
  assert.ok(count > 40 && largest <= 40_000, `${count} events, ${largest} bytes`)
  assert.equal(spool.accepts('guaranteed', 600), false)
  await drain(spool, await readAll(spool))
  await settled()
  assert.ok(spool.accepts('guaranteed', 600))
})

test('hasty events use a quarter of it', async () => {
  const { open } = makeWorld()
  const spool = await open({ maxBytes: 100_000 })
  let bytes = 0
  for (;;) {
    const appended = spool.append(record('x'.repeat(500), { delivery: 'hasty' }))
    if (!appended) break
    await appended
    bytes += 500
  }
  assert.ok(bytes > 20_000 && bytes <= 25_000, `${bytes}`)
  assert.ok(spool.append(record('x')), 'guaranteed ones find room')
  await drain(spool, await readAll(spool))
  assert.ok(spool.append(record('x'.repeat(500), { delivery: 'hasty' })))
})

test('a terminal refusal goes to the dead letters, and is done', async () => {
  const { open } = makeWorld()
  let spool = await open()
  await Promise.all(['1', '2', '3'].map(value => spool.append(record(value))))
  const all = await readAll(spool)
  await spool.journal([attemptOf(all)])
  await spool.refuse(all[1] as StoredRecord, 'too large')
  assert.deepEqual([spool.size, spool.state.deadLetters], [2, 1])
  spool.release(all)
  await spool.close()
  spool = await open()
  assert.deepEqual([spool.size, spool.state.deadLetters], [2, 1])
  assert.deepEqual(spool.inDoubt, [], 'a batch of which one was refused is not stored')
  assert.deepEqual(valuesOf(await readAll(spool)), ['1', '3'])
})

test('a dead letter does not come back when the power is lost', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { open, machine } = makeWorld(seed)
    let spool = await open()
    await Promise.all(['1', '2'].map(value => spool.append(record(value))))
    const all = await readAll(spool)
    await spool.journal([attemptOf(all)])
    await spool.refuse(all[0] as StoredRecord, 'too large')
    machine.crash()
    spool = await open()
    assert.deepEqual([spool.size, spool.state.deadLetters, spool.inDoubt], [1, 1, []], `seed ${seed}`)
    assert.deepEqual(valuesOf(await readAll(spool)), ['2'])
  }
})

test('a dead letter that cannot be written is not done, and others go on', async () => {
  const { open, machine } = makeWorld()
  const spool = await open()
  await Promise.all(['1', '2'].map(value => spool.append(record(value))))
  const [one, two] = (await readAll(spool)) as [StoredRecord, StoredRecord]
  machine.fault = (_, name) => {
    if (name.startsWith('dead')) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
  }
  await assert.rejects(spool.refuse(one, 'bad'), /no space/)
  await drain(spool, [two])
  assert.equal(spool.size, 1)
  machine.fault = () => {}
  await spool.refuse(one, 'bad')
  assert.equal(spool.size, 0)
})

test('the age of the oldest event', async () => {
  const { open, clock } = makeWorld()
  const spool = await open()
  assert.equal(spool.state.oldestAt, undefined)
  await spool.append(record('1'))
  const began = clock.wall()
  clock.pass(1000)
  await spool.append(record('2'))
  assert.equal(spool.state.oldestAt, began)
  await drain(spool, (await readAll(spool)).slice(0, 1))
  await readAll(spool)
  assert.equal(spool.state.oldestAt, began + 1000)
})

test('a disk that does not answer keeps no process from its end', async () => {
  const { open, machine, clock } = makeWorld()
  const spool = await open()
  await spool.append(record('1'))
  machine.hold = () => new Promise(() => {})
  void spool.append(record('2'))
  const closed = spool.close()
  clock.pass(2000)
  await closed
})
