import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { LiveView } from '#src/lib/dev/live-view.js'
import { Recorder } from '#src/lib/dev/recorder.js'
import { entryOf } from '../../support/dev-entry.js'

/** A response that remembers its messages, by name: `entries 1,2`. */
class FakeResponse {
  readonly messages: string[] = []
  writableNeedDrain = false
  isEnded = false
  #onDrain: (() => void) | undefined

  writeHead(): void {}

  write(text: string): void {
    const [, name, data] = /event: (\w+)\ndata: (.*)\n\n$/.exec(text) ?? []
    if (name === undefined) return
    const value = JSON.parse(String(data))
    const what = name === 'entries' ? value.map(({ seq }: { seq: number }) => seq).join() : value.missed
    this.messages.push(what === undefined ? name : `${name} ${what}`)
  }

  once(_event: 'drain', callback: () => void): void {
    this.#onDrain = callback
  }

  drain(): void {
    this.writableNeedDrain = false
    this.#onDrain?.()
  }

  end(): void {
    this.isEnded = true
  }
}

function watch(recorder: Recorder, since: number) {
  const res = new FakeResponse()
  const view = new LiveView(recorder, res as unknown as ServerResponse, since)
  return { res, view }
}

function recorderOf(count: number, maxEntries = 1000): Recorder {
  const recorder = new Recorder({ maxEntries, maxBytes: 1e9 })
  for (let i = 0; i < count; i++) recorder.add(entryOf())
  return recorder
}

test('it sends what came after a number, and later what comes, in one batch', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const recorder = recorderOf(3)
  const { res, view } = watch(recorder, 1)
  assert.deepEqual(res.messages, ['entries 2,3'])
  for (let i = 0; i < 2; i++) recorder.add(entryOf())
  assert.equal(res.messages.length, 1)
  t.mock.timers.tick(100)
  assert.deepEqual(res.messages, ['entries 2,3', 'entries 4,5'])
  view.end()
  recorder.add(entryOf())
  t.mock.timers.tick(1000)
  assert.equal(res.messages.length, 2)
  assert.ok(res.isEnded)
})

test('it says how many it missed, and that everything was forgotten', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const recorder = recorderOf(10, 2)
  const { res, view } = watch(recorder, 1)
  assert.deepEqual(res.messages, ['gap 7', 'entries 9,10'])
  recorder.reset()
  recorder.add(entryOf())
  t.mock.timers.tick(100)
  assert.deepEqual(res.messages.slice(2), ['reset', 'entries 11'])
  view.end()
})

test('a number of another process begins with a reset', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const { res, view } = watch(recorderOf(2), 500)
  assert.deepEqual(res.messages, ['reset', 'entries 1,2'])
  view.end()
})

test('a slow client gets nothing until it has read what it got', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const recorder = recorderOf(1)
  const { res, view } = watch(recorder, 0)
  res.writableNeedDrain = true
  recorder.add(entryOf())
  t.mock.timers.tick(100)
  assert.deepEqual(res.messages, ['entries 1'])
  res.drain()
  assert.deepEqual(res.messages, ['entries 1', 'entries 2'])
  view.end()
})

test('a batch is bounded by its entries and by their length', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const many = watch(recorderOf(300), 0)
  t.mock.timers.tick(100)
  assert.deepEqual(
    many.res.messages.map(message => message.split(',').length),
    [200, 100],
  )
  many.view.end()
  const recorder = new Recorder({ maxEntries: 100, maxBytes: 1e9 })
  for (let i = 0; i < 3; i++) recorder.add(entryOf({ text: JSON.stringify('x'.repeat(600_000)) }))
  const large = watch(recorder, 0)
  for (let i = 0; i < 2; i++) t.mock.timers.tick(100)
  assert.deepEqual(large.res.messages, ['entries 1', 'entries 2', 'entries 3'])
  large.view.end()
})
