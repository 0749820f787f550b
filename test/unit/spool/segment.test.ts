import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PositionSet } from '#src/lib/spool/position-set.js'
import { examine, parseName, Segment, scan } from '#src/lib/spool/segment.js'
import { Units } from '#src/lib/spool/units.js'
import { makeWorld, record } from '../../support/spool.js'

const place = { topic: 't', partition: 0, stream: 's', delivery: 'guaranteed' } as const

test('its name says its base and generation', () => {
  const segment = new Segment(123, 4)
  assert.deepEqual(parseName(segment.name), { base: 123, generation: 4 })
  assert.equal(parseName('journal'), undefined)
  assert.equal(parseName('1.0.log'), undefined)
})

test('it counts what is done, never more than there is', () => {
  const segment = new Segment(0, 0)
  const group = new Units().groupOf(place)
  segment.add(group, 100)
  segment.add(group, 300)
  assert.deepEqual([segment.undone, segment.undoneBytes, segment.hasDone], [2, 400, false])
  segment.markDone(group)
  assert.deepEqual([segment.undone, segment.undoneBytes, segment.hasDone], [1, 200, true])
  segment.addDone(group, 5)
  segment.markDone(group)
  assert.equal(segment.undone, 0)
})

test('its footer says the same as all of it', async () => {
  const { open, machine } = makeWorld()
  const spool = await open({ segmentBytes: 100_000 })
  for (let i = 0; i < 30; i++)
    await spool.append(
      record('x'.repeat(i), { partition: i % 3, delivery: i % 2 === 0 ? 'guaranteed' : 'hasty' }),
    )
  await spool.close()
  const [name = ''] = machine.names.filter(one => one.endsWith('.log'))
  const bytes = machine.contentOf(name).length
  const file = await machine.mount().open(name, 'read')
  const units = new Units()
  const parsed = parseName(name) as { base: number; generation: number }
  const byFooter = await examine(file, parsed, bytes, units)
  const counts = [...byFooter.counts.values()]
  assert.ok(byFooter.isSealed && !byFooter.needsScan)
  assert.equal(byFooter.undone, 30)
  const scanned = new Segment(parsed.base, 0)
  scanned.bytes = byFooter.readable
  assert.equal(await scan(file, scanned, units, new PositionSet()), 0)
  assert.deepEqual([...scanned.counts.values()], counts)
  assert.deepEqual([scanned.end, scanned.oldestAt], [byFooter.end, byFooter.oldestAt])
})
