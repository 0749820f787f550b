import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inOrder, setUp, TIMEOUT } from '../../support/kafka-sender.js'

test('what is sent together shares a batch, and what comes while it is out is the next', async () => {
  const { clock, send, seen, cluster, outcome } = setUp({}, { latency: () => 5 })
  for (let i = 0; i < 10; i++) send(`a${i}`)
  await clock.runUntil(25)
  for (let i = 0; i < 10; i++) {
    send(`b${i}`)
    await clock.runUntil(clock.time)
  }
  await clock.runUntil(100)
  assert.equal(outcome('b9'), 'stored')
  assert.deepEqual(cluster.stored('t')[0]?.length, 20)
  assert.ok(seen.requests.length <= 3, JSON.stringify(seen.requests))
})

test('a foreign topic without a leader holds nobody up', async () => {
  const { clock, cluster, send, answers, outcome } = setUp()
  cluster.create('foreign', 1, () => -1)
  send('f', { topic: 'foreign' })
  send('x')
  await clock.runUntil(300)
  assert.equal(outcome('x'), 'stored')
  assert.ok((answers.get('x')?.at ?? Infinity) < 50)
  cluster.partition('foreign').leader = 1
  await clock.runUntil(1000)
  assert.equal(outcome('f'), 'stored')
})

for (const closing of [false, true])
  test(`an answer that came before a timer ran late counts${closing ? ', also at the end' : ''}`, async () => {
    const { clock, cluster, sender, send, outcome, seen } = setUp()
    let read = () => {}
    const connect = cluster.connect.bind(cluster)
    cluster.connect = async (broker, lane) => {
      const link = await connect(broker, lane)
      const arrived = () =>
        new Promise<void>(resolve => {
          read = resolve
        })
      return {
        open: true,
        broken: false,
        produce: async request => {
          const response = await link.produce(request)
          await arrived()
          return response
        },
        close: () => link.close(),
      }
    }
    send('a')
    await clock.runUntil(100)
    assert.deepEqual(cluster.stored('t'), [['a']])
    if (closing) void sender.close(500)
    await clock.stall(closing ? 1000 : 2 * TIMEOUT, read)
    assert.equal(outcome('a'), 'stored')
    assert.equal(seen.late, 0)
    assert.equal(cluster.asked.length, 1)
  })

test('a topic that is refused fails its own events only', async () => {
  const { clock, send, outcome, cluster } = setUp(
    {},
    { batch: (_b, batch) => (batch.topic === 'no' ? { code: 29 } : undefined) },
  )
  cluster.create('no', 1, () => 0)
  send('n', { topic: 'no' })
  send('x')
  await clock.runUntil(100)
  assert.deepEqual([outcome('n'), outcome('x')], ['topic_refused', 'stored'])
})

test('what does not fit the cluster is said loudly', async () => {
  const { clock, send, outcome, seen } = setUp({}, inOrder({ code: 42 }))
  send('x')
  await clock.runUntil(100)
  assert.equal(outcome('x'), 'kafka_misconfigured')
  assert.equal(seen.complaints.length, 1)
})

test('an event whose request has little time left is answered within it, before those that came earlier', async () => {
  const { clock, cluster, send, answers } = setUp({ timeoutMs: 3000 }, { request: () => 'silent' })
  send('first')
  await clock.runUntil(100)
  send('hurried', { timeoutMs: 200 })
  send('last')
  await clock.runUntil(1000)
  assert.deepEqual(
    ['first', 'hurried', 'last'].map(id => answers.get(id)?.at),
    [undefined, 300, undefined],
  )
  assert.equal(answers.get('hurried')?.error?.code, 'deadline_not_stored')
  await clock.runUntil(10_000)
  assert.deepEqual([answers.get('first')?.at, answers.get('last')?.at], [3000, 3100])
  assert.deepEqual(cluster.stored('t'), [[]])
})

test('an event is answered at its deadline, whatever else is out', async () => {
  const { clock, cluster, send, answers } = setUp({ timeoutMs: 300 }, { request: () => 'silent' })
  send('x')
  await clock.runUntil(250)
  // Accepted while the first is out, and due while it is out still.
  send('y')
  await clock.runUntil(10_000)
  assert.deepEqual([answers.get('x')?.at, answers.get('y')?.at], [300, 550])
  assert.equal(answers.get('y')?.error?.code, 'deadline_not_stored')
  assert.deepEqual(cluster.stored('t'), [[]])
})

test('over a bound events are refused at once, and so is one that is too large', async () => {
  const { clock, send, answers, outcome } = setUp({ maxQueuedMessages: 2, maxRequestBytes: 1000 })
  for (const value of ['a', 'b', 'c', 'x'.repeat(1000)]) send(value)
  await clock.runUntil(0)
  assert.equal(outcome('c'), 'producer_full')
  assert.match(answers.get('x'.repeat(1000))?.error?.message ?? '', /1000 bytes/)
  assert.equal(outcome('x'.repeat(1000)), 'event_too_large')
  await clock.runUntil(100)
  assert.equal(outcome('b'), 'stored')
})

test('closing answers all, at the end of its grace at the latest, and takes nothing more', async () => {
  const { clock, cluster, sender, send, answers, outcome } = setUp({ lingerMs: 5000 })
  send('lingers')
  cluster.create('sick', 1, () => -1)
  send('waits', { topic: 'sick' })
  await clock.runUntil(10)
  let closed = -1
  void sender.close(1000).then(() => {
    closed = clock.time
  })
  send('late')
  await clock.runUntil(30_000)
  assert.ok((answers.get('lingers')?.at ?? Infinity) < 50)
  assert.equal(outcome('lingers'), 'stored')
  assert.equal(outcome('waits'), 'deadline_not_stored')
  assert.equal(outcome('late'), 'draining')
  assert.equal(closed, 1010)
})

test('a sender at rest does nothing', async () => {
  const { clock, cluster, send } = setUp()
  send('x')
  await clock.runUntil(290_000)
  const { connections } = cluster
  assert.equal(cluster.metadataRequests.length, 1)
  await clock.runUntil(310_000)
  assert.equal(cluster.metadataRequests.length, 2)
  assert.equal(cluster.connections, connections)
})
