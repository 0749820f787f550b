import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure } from '../../support/simulated-disk.js'
import { attemptOf, makeWorld, readAll, record, valuesOf } from '../../support/spool.js'

test('what a disk cannot read again and again is damaged, and blocks nothing that follows', async () => {
  const { open, machine, notes } = makeWorld()
  const spool = await open({ segmentBytes: 20_000 })
  for (let i = 0; i < 40; i++) await spool.append(record(`${i}`.padEnd(1000), { partition: i % 2 }))
  const first = '0000000000000000.0.log'
  const bad = 2 * 4096
  machine.unreadable = (name, at, length) => name === first && at < bad + 4096 && at + length > bad
  for (let tries = 0; tries < 5; tries++) {
    await assert.rejects(readAll(spool), { code: 'EIO' })
    assert.deepEqual(notes.damages, [])
  }
  const left = valuesOf(await readAll(spool)).map(Number)
  assert.ok(left.length >= 34 && left.length < 40, `${left}`)
  assert.deepEqual([left[0], left.at(-1)], [0, 39])
  assert.equal(spool.size, left.length)
  assert.equal(notes.damages[0]?.records, 40 - left.length)
})

test('a disk that fails for a moment costs nothing', async () => {
  const { open, machine, notes } = makeWorld()
  const spool = await open()
  for (let i = 0; i < 5; i++) await spool.append(record(`${i}`))
  machine.fault = call => {
    if (call === 'read') throw failure('EIO')
  }
  await assert.rejects(readAll(spool), { code: 'EIO' })
  machine.fault = () => {}
  assert.equal((await readAll(spool)).length, 5)
  assert.deepEqual(notes.damages, [])
})

test('a batch in doubt is read in spite of a moment, and not if a record of it is damaged', async () => {
  for (const isLasting of [false, true]) {
    const { open, machine } = makeWorld()
    let spool = await open()
    for (let i = 0; i < 3; i++) await spool.append(record(`${i}`))
    const attempt = attemptOf(await readAll(spool))
    await spool.journal([attempt])
    machine.kill()
    spool = await open()
    let reads = 0
    machine.unreadable = () => isLasting || reads++ === 0
    const records = await spool.recordsOf(attempt)
    assert.deepEqual(records && valuesOf(records), isLasting ? undefined : ['0', '1', '2'])
  }
})
