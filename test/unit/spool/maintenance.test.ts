import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure } from '../../support/simulated-disk.js'
import { drain, makeWorld, readAll, record, settled, valuesOf } from '../../support/spool.js'

const logs = (names: string[]) => names.filter(name => name.endsWith('.log')).sort()

test('many small segments become one', async () => {
  const { open, machine } = makeWorld()
  for (let i = 0; i < 20; i++) {
    const spool = await open({ segmentBytes: 50_000 })
    await spool.append(record(`${i}`))
    await spool.close()
  }
  const spool = await open({ segmentBytes: 50_000 })
  await settled()
  assert.ok(logs(machine.names).length < 10, logs(machine.names).join())
  assert.deepEqual(
    valuesOf(await readAll(spool)).map(Number),
    Array.from({ length: 20 }, (_, i) => i),
  )
})

test('records that are done while their segment is written anew stay done', async () => {
  const { open, machine } = makeWorld()
  let spool = await open()
  for (let i = 0; i < 100; i++) await spool.append(record(`${i}`.padEnd(100), { partition: i % 4 }))
  const all = await readAll(spool)
  let go = () => {}
  const held = new Promise<void>(resolve => {
    go = resolve
  })
  machine.hold = call => (call === 'rename' ? held : undefined)
  await drain(
    spool,
    all.filter(({ partition }) => partition > 0),
  )
  await settled()
  const late = all.filter(({ partition }) => partition === 0).slice(0, 5)
  await drain(spool, late)
  machine.hold = () => undefined
  go()
  await settled()
  assert.equal(spool.size, 20)
  machine.crash()
  spool = await open()
  assert.equal(spool.size, 20)
  assert.equal((await readAll(spool)).length, 20)
})

test('a disk that fails meanwhile costs nothing, and it is tried again', async () => {
  const { open, machine, clock, notes } = makeWorld()
  const spool = await open()
  for (let i = 0; i < 100; i++) await spool.append(record(`${i}`.padEnd(100), { partition: i % 10 }))
  const all = await readAll(spool, ({ partition }) => partition === 0)
  machine.fault = call => {
    if (call === 'rename') throw failure('EIO')
  }
  const before = spool.state.bytes
  await drain(spool, all)
  await settled()
  assert.match(notes.troubles.join(), /segments cannot be tidied: EIO/)
  machine.fault = () => {}
  clock.pass(1000)
  await settled()
  assert.ok(spool.state.bytes < before / 2)
  assert.equal((await readAll(spool)).length, 10)
})

test('a file that cannot be removed does not come back', async () => {
  const { open, machine, clock } = makeWorld()
  let spool = await open()
  for (let i = 0; i < 100; i++) await spool.append(record(`${i}`.padEnd(100)))
  machine.fault = call => {
    if (call === 'remove') throw failure('EIO')
  }
  await drain(spool, await readAll(spool))
  await settled()
  assert.ok(logs(machine.names).length > 2)
  machine.crash()
  spool = await open()
  assert.equal(spool.size, 0)
  await spool.close()
  machine.fault = () => {}
  spool = await open()
  clock.pass(1000)
  await settled()
  assert.ok(logs(machine.names).length <= 1, logs(machine.names).join())
})

test('if room is short, segments of which less is done are written anew, too', async () => {
  const { open, clock } = makeWorld()
  const spool = await open({ maxBytes: 30_000 })
  const fill = async () => {
    for (let count = 0; ; count++) {
      const appended = spool.append(record('x'.repeat(100), { partition: count % 3 }))
      if (!appended) return count
      await appended
    }
  }
  const all = await fill()
  await drain(spool, await readAll(spool, ({ partition }) => partition > 0))
  let more = 0
  for (let round = 0; round < 5; round++) {
    clock.pass(100)
    await settled()
    more += await fill()
  }
  assert.ok(more > all / 5, `${all}, then ${more}`)
})
