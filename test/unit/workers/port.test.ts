import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import { Port, type Recipient } from '#src/lib/workers/port.js'

/** A worker that takes connections when a test says so. */
function fakeWorker() {
  const sent: unknown[][] = []
  const send = (...args: unknown[]) => {
    sent.push(args)
    return true
  }
  return Object.assign(new EventEmitter(), { sent, send }) as unknown as Recipient &
    EventEmitter & { sent: unknown[][] }
}

const quiet = () => new Port({ listen: createServer().listen })

test('when a worker is gone, the connections that it did not take are closed, and no others', () => {
  const worker = fakeWorker()
  const gone = quiet().join(worker)
  const closed: string[] = []
  const handle = (name: string) => ({ close: () => void closed.push(name) })
  const done = () => {}
  for (const [i, name] of ['taken', 'refused', 'open'].entries())
    worker.send({ cmd: 'NODE_CLUSTER', act: 'newconn', seq: i + 1 }, handle(name))
  worker.send({ eventgate: 'tell', what: 'drain' }, done)
  assert.deepEqual(worker.sent.at(-1), [{ eventgate: 'tell', what: 'drain' }, done])
  worker.emit('internalMessage', { ack: 1, accepted: true })
  worker.emit('internalMessage', { ack: 2, accepted: false })
  worker.emit('internalMessage', { act: 'listening' })
  gone()
  assert.deepEqual(closed, ['open'])
})

test('the port is closed before the workers leave it, and they have what came before', async t => {
  const servers = { listen: createServer().listen }
  const port = new Port(servers)
  const server = createServer()
  t.after(() => void server.close())
  Reflect.apply(servers.listen, server, [0, '127.0.0.1'])
  await once(server, 'listening')
  const { port: number } = server.address() as { port: number }
  const worker = fakeWorker()
  port.join(worker)
  worker.send({ cmd: 'NODE_CLUSTER', act: 'newconn', seq: 1 }, { close() {} })
  let isClosed = false
  const closed = port.close().then(() => {
    isClosed = true
  })
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  assert.equal(isClosed, false)
  const [error] = await once(connect(number, '127.0.0.1'), 'error')
  assert.equal(error.code, 'ECONNREFUSED')
  worker.emit('internalMessage', { ack: 1, accepted: true })
  await closed
})
