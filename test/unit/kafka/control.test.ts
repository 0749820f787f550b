import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Control, type ControlSession, Unanswered } from '#src/lib/kafka/control.js'
import { KafkaError, Misfit } from '#src/lib/kafka/response-codes.js'
import { FakeClock } from '../../support/kafka-fake.js'

/** What a broker does with a connection and a question. */
interface FakeBroker {
  dialMs?: number
  dialError?: Error
  answerMs?: number
  clusterId?: string
  idCode?: number
}

const ADDRESSES = ['a:1', 'b:2', 'c:3']
const FIVE = [...ADDRESSES, 'd:4', 'e:5']

/** Brokers, from 0 on, at these addresses. */
function setUp(brokers: Record<string, FakeBroker> = {}, addresses = ADDRESSES) {
  const clock = new FakeClock()
  const seen = {
    dialled: [] as string[],
    asked: [] as string[],
    open: new Set<string>(),
    complaints: [] as string[],
  }
  const dial = async (address: string): Promise<ControlSession> => {
    const { dialMs = 5, dialError, answerMs = 1, clusterId = 'one', idCode = 0 } = brokers[address] ?? {}
    seen.dialled.push(address)
    await clock.sleep(dialMs)
    if (dialError) throw dialError
    seen.open.add(address)
    const asked = async <T>(answer: T): Promise<T> => {
      seen.asked.push(address)
      await clock.sleep(answerMs)
      return answer
    }
    return {
      get open() {
        return seen.open.has(address)
      },
      metadata: topics =>
        asked({
          clusterId,
          brokers: addresses.map((each, id) => ({ id, host: each.slice(0, 1), port: Number(each.slice(2)) })),
          topics: (topics ?? ['listed']).map(topic => ({ topic, code: 0, partitions: [] })),
        }),
      producerId: () => asked({ code: idCode, producerId: 7, epoch: 0 }),
      close: () => void seen.open.delete(address),
    }
  }
  const complain = (message: string) => seen.complaints.push(message)
  const control = new Control({ bootstrap: addresses, dial, complain }, clock, () => 0)
  /** What became of a question, and when. */
  const ask = async (question: Promise<unknown>, ms: number) => {
    let ended: { at: number; answer?: unknown; error?: Error } | undefined
    question.then(
      answer => {
        ended = { at: clock.time, answer }
      },
      error => {
        ended = { at: clock.time, error }
      },
    )
    await clock.runUntil(clock.time + ms)
    return ended
  }
  return { clock, control, seen, ask }
}

test('a connection that takes longer than a second is waited for while others are asked', async () => {
  const { control, seen, ask } = setUp({ 'a:1': { dialMs: 3500 } })
  const first = await ask(control.metadata(['t'], true), 10_000)
  assert.ok(first?.answer && first.at < 1100, JSON.stringify(first))
  assert.deepEqual(seen.dialled, ['a:1', 'b:2'])
  // Only the connection that is asked first is kept.
  assert.deepEqual([...seen.open], ['b:2'])
})

test('where all connections take long the question ends, and the next one finds them', async () => {
  const slow = { dialMs: 3500 }
  const { clock, control, seen, ask } = setUp({ 'a:1': slow, 'b:2': slow, 'c:3': slow })
  const first = await ask(control.metadata(['t'], true), 3100)
  assert.ok(first?.error instanceof Unanswered)
  const second = await ask(control.metadata(['t'], true), 3000)
  assert.ok(second?.answer && second.at < 4700, JSON.stringify(second))
  assert.equal(seen.dialled.length, 3, 'nothing is dialled twice')
  assert.ok(clock.time > 4700)
})

test('refused connections: the next broker is asked at once, and the last refusal is told', async () => {
  const dialError = new Error('connect ECONNREFUSED')
  const { control, ask } = setUp({ 'a:1': { dialError }, 'b:2': { dialError } })
  assert.ok((await ask(control.metadata([], false), 100))?.answer)
  const none = setUp({ 'a:1': { dialError }, 'b:2': { dialError }, 'c:3': { dialError } })
  const ended = await none.ask(none.control.metadata([], false), 1000)
  assert.ok(ended?.at !== undefined && ended.at < 100)
  assert.match(ended.error?.message ?? '', /ECONNREFUSED/)
})

test('the broker that failed is asked last', async () => {
  const { control, seen, ask } = setUp()
  await ask(control.metadata(['t'], false), 100)
  assert.deepEqual(seen.asked, ['a:1'])
  await ask(control.metadata(['t'], false), 100)
  assert.deepEqual(seen.asked, ['a:1', 'a:1'])
  await ask(control.metadata(['t'], false, 0), 100)
  assert.notEqual(seen.asked[2], 'a:1')
  assert.equal(seen.open.size, 1)
})

test('after five seconds another broker is asked first', async () => {
  const { clock, control, seen, ask } = setUp()
  await ask(control.metadata(['t'], false), 100)
  await clock.runUntil(6000)
  await ask(control.metadata(['t'], false), 100)
  assert.notEqual(seen.asked[1], seen.asked[0])
})

test('another cluster’s answer is refused, and said loudly', async () => {
  const { clock, control, seen, ask } = setUp({ 'b:2': { clusterId: 'two' } })
  await ask(control.metadata(['t'], false), 100)
  await clock.runUntil(6000)
  const ended = await ask(control.metadata(['t'], false, 0), 100)
  assert.ok(ended?.answer)
  assert.equal(seen.asked.at(-1), 'c:3')
  assert.deepEqual(seen.complaints, ['b:2 belongs to the cluster two, and the service produces to one'])
})

test('a producer id that one broker refuses is asked of the next', async () => {
  const { control, ask } = setUp({ 'a:1': { idCode: 14 } })
  assert.deepEqual((await ask(control.producerId(), 100))?.answer, { producerId: 7, epoch: 0 })
  const refused = setUp({ 'a:1': { idCode: 31 }, 'b:2': { idCode: 31 }, 'c:3': { idCode: 31 } })
  const { error } = (await refused.ask(refused.control.producerId(), 100)) ?? {}
  assert.ok(error instanceof KafkaError && error.code === 31)
})

test('credentials that one broker refuses are no final refusal, those that all refuse are', async () => {
  const dialError = new Misfit(58, 'SASL authentication failed')
  const all = setUp({ 'a:1': { dialError }, 'b:2': { dialError }, 'c:3': { dialError } })
  for (const address of ADDRESSES) all.control.note(address, dialError)
  assert.equal((await all.ask(all.control.metadata([], false), 100))?.error, dialError)
  const refusal = new Error('connect ECONNREFUSED')
  const some = setUp({ 'a:1': { dialError: refusal }, 'b:2': { dialError: refusal }, 'c:3': { dialError } })
  some.control.note('c:3', dialError)
  const ended = await some.ask(some.control.metadata([], false), 100)
  assert.ok(ended?.error && !(ended.error instanceof Misfit))
})

test('the names of all topics are asked of one broker, and of the next where that says nothing', async () => {
  const { control, seen, ask } = setUp({ 'a:1': { dialMs: 3500 } })
  assert.deepEqual((await ask(control.topicNames(), 1500))?.answer, ['listed'])
  assert.deepEqual(seen.asked, ['b:2'])
})

test('brokers that all take seconds for an answer are waited for longer and longer', async () => {
  const { clock, control, ask } = setUp({
    'a:1': { answerMs: 6000 },
    'b:2': { answerMs: 6000 },
    'c:3': { answerMs: 6000 },
  })
  const first = await ask(control.metadata(['t'], true), 10_000)
  assert.ok(first?.error instanceof Unanswered && first.at < 3100)
  let asked = 1
  for (let ended: typeof first | undefined = first; ended?.error && asked < 5; asked++)
    ended = await ask(control.metadata(['t'], true), 10_000)
  assert.ok(asked < 5, `no answer to ${asked} questions`)
  const later = clock.time
  const next = await ask(control.producerId(), 10_000)
  assert.ok(next?.answer && next.at - later <= 6100, JSON.stringify(next))
})

test('a broker that is silent beside others that fail is not waited for longer', async () => {
  const dialError = new Error('connect ECONNREFUSED')
  const { clock, control, ask } = setUp({
    'a:1': { answerMs: 1e9 },
    'b:2': { dialError },
    'c:3': { dialError },
  })
  for (let i = 0; i < 6; i++) {
    const start = clock.time
    const ended = await ask(control.metadata(['t'], true), 5000)
    assert.ok(ended?.error && ended.at - start < 1100, JSON.stringify(ended))
  }
})

test('where all brokers but one are silent, its answer comes within three seconds, also if it is asked last', async () => {
  const silent = { answerMs: 1e9 }
  const { control, seen, ask } = setUp({ 'a:1': silent, 'b:2': silent, 'c:3': silent, 'd:4': silent }, FIVE)
  const ended = await ask(control.metadata(['t'], true), 10_000)
  assert.ok(ended?.answer && ended.at < 3000, JSON.stringify(ended))
  assert.deepEqual(seen.dialled, FIVE)
})
