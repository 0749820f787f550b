import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Scheduler } from '#src/lib/runtime/scheduler.js'

function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

test('turns come in the order of their asking, and each goes on before the next begins', async () => {
  const scheduler = new Scheduler()
  const seen: string[] = []
  const work = async (name: string) => {
    await scheduler.start('hasty')
    seen.push(`${name} begins`)
    await Promise.resolve()
    seen.push(`${name} goes on`)
    await scheduler.start('hasty')
    seen.push(`${name} ends`)
  }
  await Promise.all(['a', 'b', 'c'].map(work))
  assert.deepEqual(
    seen.filter(line => !line.endsWith('goes on')),
    ['a begins', 'b begins', 'c begins', 'a ends', 'b ends', 'c ends'],
  )
})

test('what has begun goes on before anything else begins', async () => {
  const scheduler = new Scheduler()
  const seen: string[] = []
  const work = async (name: string) => {
    await scheduler.start('hasty')
    seen.push(`${name} begins`)
    for (const step of [1, 2]) {
      await scheduler.resume('hasty')
      seen.push(`${name} ${step}`)
    }
  }
  await Promise.all(['a', 'b', 'c'].map(work))
  assert.deepEqual(
    seen,
    ['a', 'b', 'c'].flatMap(name => [`${name} begins`, `${name} 1`, `${name} 2`]),
  )
  assert.equal(scheduler.length, 0)
})

test('what somebody waits for goes before all turns of its round', async () => {
  const scheduler = new Scheduler()
  const seen: string[] = []
  const work = async (name: string) => {
    await scheduler.start('hasty')
    seen.push(name)
    busy(3)
  }
  const all = [work('a'), work('b')]
  scheduler.urgent(() => seen.push('first'))
  await all[0]
  scheduler.urgent(() => {
    seen.push('second')
    scheduler.urgent(() => seen.push('third'))
  })
  await all[1]
  assert.deepEqual(seen, ['first', 'a', 'second', 'b'])
  await new Promise(resolve => scheduler.urgent(() => resolve(undefined)))
  assert.deepEqual(seen.slice(4), ['third'])
})

test('however much work there is, the event loop comes round before the next piece of it', async () => {
  const scheduler = new Scheduler()
  let rounds = 0
  let counting = true
  const count = () => {
    rounds++
    if (counting) setImmediate(count)
  }
  count()
  const seen: number[] = []
  const work = async () => {
    await scheduler.start('hasty')
    seen.push(rounds)
    busy(3)
  }
  await Promise.all(Array.from({ length: 30 }, work))
  counting = false
  assert.equal(new Set(seen).size, 30, `${seen}`)
})

test('many small pieces share a slice, and thousands of them all have their turn', async () => {
  const scheduler = new Scheduler()
  let rounds = 0
  let counting = true
  const count = () => {
    rounds++
    if (counting) setImmediate(count)
  }
  count()
  const order: number[] = []
  const work = async (i: number) => {
    await scheduler.start('hasty')
    order.push(i)
  }
  const first = Array.from({ length: 5000 }, (_, i) => work(i))
  await first[2500]
  const later = Array.from({ length: 5000 }, (_, i) => work(5000 + i))
  await Promise.all([...first, ...later])
  counting = false
  assert.deepEqual(
    order,
    Array.from({ length: 10_000 }, (_, i) => i),
  )
  assert.ok(rounds < 5000, `${rounds}`)
})
