import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { Handoffs, type Recipient } from '#src/lib/workers/handoffs.js'

test('when a worker is gone, the connections that it did not take are closed, and no others', () => {
  const sent: unknown[][] = []
  const worker = Object.assign(new EventEmitter(), {
    send: (...args: unknown[]) => {
      sent.push(args)
      return true
    },
  })
  const handoffs = new Handoffs(worker as Recipient)
  const closed: string[] = []
  const handle = (name: string) => ({ close: () => void closed.push(name) })
  const done = () => {}
  worker.send({ cmd: 'NODE_CLUSTER', act: 'newconn', seq: 1 }, handle('taken'))
  worker.send({ cmd: 'NODE_CLUSTER', act: 'newconn', seq: 2 }, handle('refused'))
  worker.send({ cmd: 'NODE_CLUSTER', act: 'newconn', seq: 3 }, handle('open'))
  worker.send({ eventgate: 'tell', what: 'drain' }, done)
  assert.deepEqual(sent.at(-1), [{ eventgate: 'tell', what: 'drain' }, done])
  worker.emit('internalMessage', { ack: 1, accepted: true })
  worker.emit('internalMessage', { ack: 2, accepted: false })
  worker.emit('internalMessage', { act: 'listening' })
  handoffs.close()
  handoffs.close()
  assert.deepEqual(closed, ['open'])
})
