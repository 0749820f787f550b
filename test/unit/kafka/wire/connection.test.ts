import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Connection } from '#src/lib/kafka/wire/connection.js'

/** A connection to a server of one's own. */
async function setUp(t: TestContext, onData: (server: Socket, data: Buffer) => void) {
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket)
    socket.on('data', data => onData(socket, data)).on('error', () => {})
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const client = connect(port, '127.0.0.1')
  await new Promise(resolve => client.once('connect', resolve))
  const connection = new Connection(client, `127.0.0.1:${port}`)
  t.after(() => {
    connection.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return connection
}

function frame(correlationId: number, body: string): Buffer {
  const buffer = Buffer.alloc(8 + body.length)
  buffer.writeInt32BE(4 + body.length, 0)
  buffer.writeInt32BE(correlationId, 4)
  buffer.write(body, 8)
  return buffer
}

const ask = (id: number) => Buffer.from([id])

test('responses arrive however the network cuts them', async t => {
  const connection = await setUp(t, (socket, data) => {
    for (const id of data) for (const byte of frame(id, `answer ${id}`)) socket.write(Buffer.from([byte]))
  })
  const answers = await Promise.all([1, 2, 3].map(() => connection.request(ask, 5000)))
  assert.deepEqual(answers.map(String), ['answer 1', 'answer 2', 'answer 3'])
})

test('a long response in many pieces is put together once, and what follows it is read', async t => {
  const concat = t.mock.method(Buffer, 'concat')
  const connection = await setUp(t, socket => {
    const long = frame(1, 'x'.repeat(3_000_000))
    for (let at = 0; at < long.length; at += 10_000) socket.write(long.subarray(at, at + 10_000))
    socket.write(Buffer.concat([frame(2, 'second'), frame(3, 'third')]))
  })
  const [first, second, third] = await Promise.all([1, 2, 3].map(() => connection.request(ask, 5000)))
  assert.equal(first?.length, 3_000_000)
  assert.deepEqual([second, third].map(String), ['second', 'third'])
  const copied = concat.mock.calls.reduce((sum, { result }) => sum + (result?.length ?? 0), 0)
  assert.ok(copied < 4_000_000, `${copied} bytes were copied`)
})

for (const [what, answer, reason] of [
  [
    'an answer to something else',
    (socket: Socket) => socket.write(frame(77, 'x')),
    /77, which was not asked/,
  ],
  [
    'something that is not Kafka',
    (socket: Socket) => socket.write('HTTP/1.1 400 Bad Request'),
    /not Kafka's protocol/,
  ],
  ['an end', (socket: Socket) => socket.end(), /closed the connection/],
  ['a reset', (socket: Socket) => socket.resetAndDestroy(), /ECONNRESET|closed/],
  ['silence', () => {}, /no answer within 50 ms/],
] as const)
  test(`${what} rejects all that wait, and closes for good`, async t => {
    const connection = await setUp(t, answer)
    let closed = 0
    connection.onClosed = () => closed++
    const [first, second] = await Promise.allSettled([
      connection.request(ask, 50),
      connection.request(ask, 5000),
    ])
    assert.match(String((first as PromiseRejectedResult).reason), reason)
    assert.match(String((second as PromiseRejectedResult).reason), reason)
    assert.equal(connection.open, false)
    assert.equal(connection.socket.destroyed, true)
    await assert.rejects(connection.request(ask, 50), reason)
    assert.equal(closed, 1)
  })

test('an answer that came before a timer ran late counts', async t => {
  const connection = await setUp(t, (socket, data) => {
    socket.write(frame(data[0] as number, 'answer'))
    // Both the client and the server stand still until the timer is late.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  })
  assert.equal(String(await connection.request(ask, 50)), 'answer')
  assert.equal(connection.open, true)
})

test('a request without an answer resolves when it is written', async t => {
  let received = 0
  const connection = await setUp(t, (_socket, data) => {
    received += data.length
  })
  await connection.write(ask, 1000)
  await connection.write(ask, 1000)
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.equal(received, 2)
})
