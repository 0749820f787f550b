import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeWorld, readAll, record, valuesOf } from '../../support/spool.js'

test('a pass that is not read to its end lets go of its file, and what it has not answered is not taken', async () => {
  const { open } = makeWorld()
  const spool = await open({ segmentBytes: 1000 })
  for (let i = 0; i < 30; i++) await spool.append(record(`${i}`.padEnd(200)))
  let first: string[] = []
  for await (const chunk of spool.pass(() => false)) {
    first = valuesOf(chunk)
    break
  }
  const rest = valuesOf(await readAll(spool))
  assert.equal(first.length + rest.length, 30)
  assert.equal(Number(rest[0]), first.length)
})

test('what is appended during a pass may be part of it', async () => {
  const { open } = makeWorld()
  const spool = await open({ segmentBytes: 1000 })
  for (let i = 0; i < 10; i++) await spool.append(record(`${i}`.padEnd(200)))
  const seen: number[] = []
  let next = 10
  for await (const chunk of spool.pass(() => false)) {
    seen.push(...valuesOf(chunk).map(Number))
    if (next < 40) await spool.append(record(`${next++}`.padEnd(200)))
  }
  seen.push(...valuesOf(await readAll(spool)).map(Number))
  assert.deepEqual(
    seen,
    Array.from({ length: next }, (_, i) => i),
  )
})

test('events are not read before they are synced', async () => {
  const { open, machine } = makeWorld()
  const spool = await open()
  await spool.append(record('1'))
  let go = () => {}
  const held = new Promise<void>(resolve => {
    go = resolve
  })
  machine.hold = call => (call === 'sync' ? held : undefined)
  const second = spool.append(record('2'))
  await new Promise(setImmediate)
  assert.deepEqual(valuesOf(await readAll(spool)), ['1'])
  go()
  await second
  assert.deepEqual(valuesOf(await readAll(spool)), ['2'])
})

test('records of a block of which few are wanted keep nothing else in memory', async () => {
  const { open } = makeWorld()
  const spool = await open({ segmentBytes: 1_000_000 })
  for (let i = 0; i < 100; i++)
    await spool.append(record(`${i}`.padEnd(1000), { partition: i === 50 ? 1 : 0 }))
  const [one] = await readAll(spool, ({ partition }) => partition === 0)
  assert.ok((one?.value.buffer.byteLength ?? 0) < 10_000)
})
