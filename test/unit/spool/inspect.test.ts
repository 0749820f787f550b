import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from '#src/lib/spool/inspect.js'
import type { StoredRecord } from '#src/lib/spool/record.js'
import { attemptOf, makeWorld, readAll, record } from '../../support/spool.js'

test('it tells what a directory holds, without a change, also while a process uses it', async () => {
  const { open, machine, clock } = makeWorld()
  const disk = machine.mount()
  const spool = await open({ segmentBytes: 1000 }, disk)
  const began = clock.wall()
  for (let i = 0; i < 20; i++) await spool.append(record(`${i}`.padEnd(100), { partition: i % 2 }))
  await spool.append(record('dead', { topic: 'dead', partition: -1 }))
  const all = await readAll(spool)
  await spool.refuse(all.at(-1) as StoredRecord, 'too large')
  await spool.journal([attemptOf(all.filter(({ partition }) => partition === 0).slice(0, 3))])
  const before = machine.names.map(name => machine.contentOf(name))
  const { segments, waiting, inDoubt, deadLetters, losses } = await inspect(disk)
  assert.deepEqual(
    machine.names.map(name => machine.contentOf(name)),
    before,
  )
  assert.ok(segments.length > 2 && segments.every(({ name, bytes }) => name.endsWith('.log') && bytes > 0))
  assert.deepEqual(
    waiting.map(({ topic, partition, events, oldestAt }) => [topic, partition, events, oldestAt]),
    [
      ['t', 0, 10, began],
      ['t', 1, 10, began],
    ],
  )
  assert.ok((waiting[0]?.bytes ?? 0) > 1000)
  assert.deepEqual(inDoubt, [{ topic: 't', partition: 0, events: 3 }])
  const letter = { topic: 'dead', partition: -1, events: 1, reason: 'too large', oldestAt: began }
  assert.deepEqual(deadLetters, [letter])
  assert.deepEqual(losses, [])
})

test('an empty directory holds nothing', async () => {
  const { segments, waiting } = await inspect(makeWorld().machine.mount())
  assert.deepEqual([segments, waiting], [[], []])
})
