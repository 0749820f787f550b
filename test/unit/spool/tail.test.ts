import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure } from '../../support/simulated-disk.js'
import { makeWorld, readAll, record, settled, valuesOf } from '../../support/spool.js'

test('a segment that the journal could not name is removed as others are, and no event is lost', async () => {
  const { open, machine, clock, notes } = makeWorld()
  let spool = await open()
  machine.fault = (call, name) => {
    if (call === 'sync' && name.startsWith('journal')) throw failure('EIO')
  }
  await assert.rejects(spool.append(record('1')) as Promise<void>, { code: 'produce_failed' })
  machine.fault = () => {}
  clock.pass(1000)
  await settled()
  await spool.append(record('2'))
  clock.pass(1000)
  await settled()
  assert.equal(machine.names.filter(name => name.endsWith('.log')).length, 1)
  machine.crash()
  spool = await open()
  assert.deepEqual(valuesOf(await readAll(spool)), ['2'])
  assert.deepEqual(notes.damages, [])
})

test('a segment without its footer is as good', async () => {
  const { open, machine, notes } = makeWorld()
  let spool = await open({ segmentBytes: 500 })
  await spool.append(record('1'.repeat(400)))
  let writes = 0
  machine.fault = (call, name) => {
    if (call === 'write' && name.startsWith('0') && writes++ === 0) throw failure('ENOSPC')
  }
  await spool.append(record('2'))
  assert.match(notes.troubles.join(), /0000000000000000\.0\.log has no footer: ENOSPC/)
  machine.crash()
  spool = await open()
  assert.deepEqual(
    valuesOf(await readAll(spool)).map(value => value[0]),
    ['1', '2'],
  )
})
