import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { REAL_CLOCK } from '#src/lib/kafka/transport.js'
import { RealDisk } from '#src/lib/spool/real-disk.js'
import { Spool } from '#src/lib/spool/spool.js'
import { Leftovers, leftNames } from '#src/wiring-leftovers.js'
import { temporary } from '../support/service.js'

test('worker 0 sees to directories of larger numbers and to that of the host, and a process alone to all', () => {
  const names = ['0', '1', '2', '10', 'journal', '7.segment']
  assert.deepEqual(leftNames(names, { number: 0, count: 2 }), ['.', '2', '10'])
  assert.deepEqual(leftNames(names, undefined), ['0', '1', '2', '10'])
})

const clock = { now: REAL_CLOCK.now, at: REAL_CLOCK.at, wall: Date.now }
const observer = { synced() {}, trouble() {}, damaged() {} }

test('what a worker left is drained once, what a live process has is left alone', async t => {
  const host = temporary(t)
  const open = (name: string) => {
    mkdirSync(join(host, name))
    return Spool.open({ maxBytes: 2 ** 30 }, new RealDisk(join(host, name)), clock, observer as never)
  }
  const [left, live, empty] = await Promise.all(['2', '3', '4'].map(open))
  for (const spool of [left, live])
    await spool?.append({
      ...{ topic: 'a', partition: 0, key: null, value: 'v', valueBytes: 1, timestamp: 1, headers: undefined },
      ...{ stream: 'a', delivery: 'guaranteed' },
    } as never)
  await left?.close()
  await empty?.close()
  t.after(() => live?.close())
  const opened: string[] = []
  const said: string[] = []
  const drained = (directory: string) => {
    opened.push(directory)
    let events = 1
    return {
      start: async () => {
        setImmediate(() => {
          events = 0
        })
      },
      get state() {
        return { events }
      },
      close: async () => 0,
    }
  }
  const leftovers = new Leftovers(host, { number: 0, count: 2 }, drained, message => said.push(message))
  await leftovers.look()
  assert.deepEqual(opened, [join(host, '2')])
  assert.match(said.join(' | '), /^1 events were left in .*2: .* \| 0 events are left in .*2$/)
  await leftovers.close()

  const other = new Leftovers(host, { number: 1, count: 2 }, drained, () => {})
  other.start()
  await other.close()
  assert.equal(opened.length, 1, 'only worker 0 looks')
})
