import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredRecord } from '#src/lib/spool/record.js'
import type { Spool } from '#src/lib/spool/spool.js'
import { attemptOf, drain, makeWorld, readAll, record, settled, valuesOf } from '../../support/spool.js'

const FIRST = '0000000000000000.0.log'

/** A directory that a process was killed in after it had appended these, each with a commit of its own. */
async function killedAfter(...values: string[]) {
  const world = makeWorld()
  const spool = await world.open({ segmentBytes: 1_000_000 })
  for (const value of values) await spool.append(record(value))
  world.machine.kill()
  return { ...world, spool }
}

async function rest(spool: Spool): Promise<string[]> {
  return valuesOf(await readAll(spool))
}

test('a torn tail is cut off: it was never promised', async () => {
  for (const torn of ['EGSP', 'x', '\0'.repeat(3000)]) {
    const { machine, open, notes } = await killedAfter('1', '2')
    machine.put(FIRST, Buffer.concat([machine.contentOf(FIRST), Buffer.from(torn)]))
    const spool = await open()
    assert.deepEqual(await rest(spool), ['1', '2'])
    assert.deepEqual(notes.damages, [])
    await spool.append(record('3'))
    machine.crash()
    assert.deepEqual(await rest(await open()), ['1', '2', '3'])
  }
})

test('a last commit that is cut off within is not there; those before it are', async () => {
  const { machine, open, notes } = await killedAfter('1', '2', '3')
  machine.put(FIRST, machine.contentOf(FIRST).subarray(0, -1))
  assert.deepEqual(await rest(await open()), ['1', '2'])
  assert.deepEqual(notes.damages, [])
})

test('a flipped byte costs the event that it is in, which is told', async () => {
  const { machine, open, notes } = await killedAfter('one', 'two', 'three')
  machine.flip(FIRST, machine.contentOf(FIRST).indexOf('two'))
  const spool = await open()
  assert.equal(spool.size, 2)
  assert.deepEqual(await rest(spool), ['one', 'three'])
  assert.equal(notes.damages.length, 1)
  assert.equal(notes.damages[0]?.records, 1)
  assert.match(notes.damages[0]?.message ?? '', /1 events of 0000000000000000\.0\.log are damaged/)
})

test('a flipped byte in a segment that is complete is found when it is read, and its unit is not blocked by it', async () => {
  const { machine, open, notes } = makeWorld()
  let spool = await open()
  for (const value of ['one', 'two', 'three']) await spool.append(record(value))
  await spool.append(record('other', { partition: 1 }))
  await spool.close()
  machine.flip(FIRST, machine.contentOf(FIRST).indexOf('two'))
  spool = await open()
  assert.equal(spool.size, 4, 'it is not known yet')
  const all = await readAll(spool)
  assert.deepEqual(valuesOf(all), ['one', 'three', 'other'])
  assert.equal(spool.size, 3)
  assert.equal(notes.damages[0]?.records, 1)
  await drain(spool, all.slice(0, 2))
  assert.equal(spool.phase('t', 0), 'none')
  assert.equal(spool.phase('t', 1), 'spooling')
})

test('a flipped byte in a footer costs nothing', async () => {
  const { machine, open, notes } = makeWorld()
  let spool = await open()
  for (const value of ['1', '2']) await spool.append(record(value))
  await spool.close()
  machine.flip(FIRST, machine.contentOf(FIRST).length - 20)
  spool = await open()
  assert.deepEqual([spool.size, await rest(spool)], [2, ['1', '2']])
  assert.deepEqual(notes.damages, [])
})

test('a segment that is missing is told, and the others are there', async () => {
  const { machine, open, notes } = makeWorld()
  let spool = await open()
  for (let i = 0; i < 100; i++) await spool.append(record(`${i}`.padEnd(100)))
  machine.kill()
  const [, second = ''] = machine.names.filter(name => name.endsWith('.log')).sort()
  machine.delete(second)
  spool = await open()
  assert.match(notes.damages[0]?.message ?? '', /the segment of position \d+ is missing/)
  const left = (await readAll(spool)).length
  assert.ok(left > 50 && left < 100, `${left}`)
  assert.equal(spool.size, left)
})

test('a segment that goes missing while it is used is told when it is read', async () => {
  const { machine, open, notes } = makeWorld()
  const spool = await open()
  for (let i = 0; i < 100; i++) await spool.append(record(`${i}`.padEnd(100)))
  machine.delete(FIRST)
  const left = (await readAll(spool)).length
  assert.equal(spool.size, left)
  assert.match(notes.damages[0]?.message ?? '', /is missing, with \d+ events/)
})

test('without the journal all is sent again: twice rather than never', async () => {
  const { machine, open, notes, spool } = await killedAfter('1', '2')
  machine.delete('journal')
  const later = await open()
  assert.deepEqual(await rest(later), ['1', '2'])
  assert.match(notes.damages[0]?.message ?? '', /the journal is missing, and all events are sent again/)
  void spool
})

test('a damaged entry of the journal costs what it says, which is told', async () => {
  const { machine, open, notes } = makeWorld()
  let spool = await open()
  for (const value of ['1', '2', '3']) await spool.append(record(value))
  const [one, two, three] = (await readAll(spool)) as [StoredRecord, StoredRecord, StoredRecord]
  await drain(spool, [one])
  await drain(spool, [two])
  await spool.journal([attemptOf([three])])
  machine.kill()
  machine.flip('journal', machine.contentOf('journal').indexOf('"attempt"') + 3)
  spool = await open()
  assert.deepEqual(await rest(spool), ['1'], 'it is sent again')
  assert.deepEqual(
    spool.inDoubt.map(({ records }) => records.map(({ position }) => position)),
    [[three.position]],
  )
  assert.match(notes.damages[0]?.message ?? '', /the journal is damaged/)
})

test('a torn end of the journal is cut off: no attempt was made before it was synced', async () => {
  const { machine, open, notes } = await killedAfter('1')
  machine.put('journal', Buffer.concat([machine.contentOf('journal'), Buffer.from('EGSPxxxxx')]))
  assert.deepEqual(await rest(await open()), ['1'])
  assert.deepEqual(notes.damages, [])
})

test('a directory of a newer format is refused, and left as it is', async () => {
  const { machine, open } = await killedAfter('1')
  const { jsonFrame } = await import('#src/lib/spool/frames.js')
  machine.put('journal', jsonFrame({ format: 2 }))
  const before = new Map(machine.names.map(name => [name, machine.contentOf(name)]))
  await assert.rejects(open(), /has format 2, and this version knows formats up to 1: use the version/)
  assert.deepEqual(new Map(machine.names.map(name => [name, machine.contentOf(name)])), before)
})

test('a directory that another process holds is refused', async () => {
  const { machine, open } = makeWorld()
  const disk = machine.mount()
  const spool = await open({}, disk)
  await assert.rejects(open({}, disk), /used by another process/)
  await spool.close()
  await (await open({}, disk)).close()
})

test('files of others are left alone', async () => {
  const { machine, open } = makeWorld()
  machine.put('lost+found', Buffer.from('x'))
  const spool = await open()
  await spool.append(record('1'))
  await drain(spool, await readAll(spool))
  await settled()
  assert.deepEqual(`${machine.contentOf('lost+found')}`, 'x')
})

test('a directory that is read-only is refused, and free for a later try', async () => {
  const { machine, open } = await killedAfter('1')
  machine.isReadOnly = true
  const disk = machine.mount()
  await assert.rejects(open({}, disk), /EROFS/)
  machine.isReadOnly = false
  assert.deepEqual(await rest(await open({}, disk)), ['1'])
})
