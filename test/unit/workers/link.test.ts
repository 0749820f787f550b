import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { type Channel, type Handlers, Link } from '#src/lib/workers/link.js'

/** Two ends of a channel: what is sent at one comes at the other. */
function channels(): [Channel & EventEmitter, Channel & EventEmitter] {
  const make = () => Object.assign(new EventEmitter(), { send: (_: object, _sent: (e: null) => void) => {} })
  const [a, b] = [make(), make()]
  const connect = (from: typeof a, to: typeof a) => {
    from.send = (message, sent) => {
      queueMicrotask(() => to.emit('message', structuredClone(message)))
      sent(null)
    }
  }
  connect(a, b)
  connect(b, a)
  return [a, b]
}

const sides = (handlers: Handlers, own: Handlers = {}): [Link, Link] => {
  const [a, b] = channels()
  return [new Link(a, own), new Link(b, handlers)]
}

test('a side asks, and the other answers, at once or later', async () => {
  const [link] = sides({ now: () => 1, later: async () => ({ two: 2 }) })
  assert.deepEqual(await Promise.all([link.ask('now', 5000), link.ask('later', 5000)]), [1, { two: 2 }])
})

test('a side tells, and both may do so', async () => {
  const told: unknown[] = []
  const [a, b] = sides({ thing: value => told.push(value) }, { thing: value => told.push(value) })
  await Promise.all([a.tell('thing', 'to b'), b.tell('thing', 'to a')])
  await new Promise(setImmediate)
  assert.deepEqual(told, ['to b', 'to a'])
})

test('without an answer in time, or with one that nobody gives, there is undefined', async () => {
  const [link] = sides({ silent: () => new Promise(() => {}) })
  assert.deepEqual(await Promise.all([link.ask('silent', 5), link.ask('unknown', 5)]), [undefined, undefined])
})

test('two links on one channel do not take the answers of each other', async () => {
  const [a, b] = channels()
  const [one, other] = [new Link(a, {}), new Link(a, { drain: () => {} })]
  new Link(b, { number: () => 7 })
  assert.deepEqual(await Promise.all([one.ask('number', 5000), other.ask('number', 5000)]), [7, 7])
})

test('a channel that is closed, messages of others, and a link that is closed do no harm', async () => {
  const [a, b] = channels()
  const link = new Link(a, {})
  new Link(b, { silent: () => new Promise(() => {}) })
  a.emit('message', { cmd: 'NODE_HANDLE' })
  const asked = link.ask('silent', 60_000)
  link.close()
  assert.equal(await asked, undefined)
  assert.equal(a.listenerCount('message'), 0)
  a.send = () => {
    throw Object.assign(new Error('channel closed'), { code: 'ERR_IPC_CHANNEL_CLOSED' })
  }
  await link.tell('thing')
})
