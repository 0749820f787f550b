import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { listSpool } from '#src/lib/spool/listing.js'
import { RealDisk } from '#src/lib/spool/real-disk.js'
import { temporary } from '../../support/service.js'
import { fillSpool } from '../../support/spool-directory.js'

const makeDisk = (t: TestContext) => new RealDisk(join(temporary(t), 'spool'))

test('a directory is listed as it is: what waits, what is in doubt, what was refused', async t => {
  const disk = makeDisk(t)
  await fillSpool(disk)
  const { bytes, waiting, inDoubt, deadLetters, segments, losses } = await listSpool(disk)
  assert.deepEqual(
    waiting.map(({ topic, partition, events }) => [topic, partition, events]),
    [
      ['page', 0, 3],
      ['page', 1, 1],
      ['new', -1, 1],
    ],
  )
  assert.ok(
    waiting.every(({ bytes, oldestAt }) => bytes > 50 && Math.abs(Date.now() - Number(oldestAt)) < 60_000),
  )
  assert.deepEqual(inDoubt, [{ topic: 'page', partition: 0, events: 2 }])
  assert.deepEqual(
    deadLetters.map(({ topic, partition, events, reason }) => [topic, partition, events, reason]),
    [['gone', 0, 2, 'there is no topic gone']],
  )
  assert.deepEqual(
    segments.map(({ events, waiting }) => [events, waiting]),
    [[8, 5]],
  )
  assert.deepEqual(losses, [])
  assert.ok(bytes > 500)
})

test('a directory is not changed by being listed, and need not be free', async t => {
  const disk = makeDisk(t)
  const close = await fillSpool(disk, { isOpen: true })
  const before = await disk.list()
  const { waiting } = await listSpool(disk)
  assert.equal(waiting.length, 3)
  assert.deepEqual(await disk.list(), before)
  await close()
})

test('an empty directory has nothing', async t => {
  const { bytes, waiting, segments } = await listSpool(makeDisk(t))
  assert.deepEqual({ bytes, waiting, segments }, { bytes: 0, waiting: [], segments: [] })
})
