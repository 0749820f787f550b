import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { GateError } from '#src/lib/errors.js'
import { FileProducer } from '#src/lib/producers/file.js'
import { eventually } from '../../support/http.js'
import { ROOT, temporary } from '../../support/service.js'

const destination = { topic: 't', key: null, timestamp: 0, delivery: 'guaranteed' } as const

async function openIn(t: TestContext, options = {}) {
  const path = join(temporary(t), 'events.ndjson')
  const producer = await FileProducer.open(path, options)
  t.after(() => producer.close(100))
  return { path, producer, lines: () => linesOf(path) }
}

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1)
}

/** A pipe that nobody reads from until told to. */
function fifo(t: TestContext) {
  const path = join(temporary(t), 'pipe')
  execFileSync('mkfifo', [path])
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  t.after(() => closeSync(fd))
  const buffer = Buffer.alloc(1024 * 1024)
  return {
    path,
    read() {
      try {
        return buffer.toString('utf8', 0, readSync(fd, buffer))
      } catch {
        return ''
      }
    },
  }
}

test('FileProducer: an answer only after the write', async t => {
  const { producer, lines } = await openIn(t)
  const stored = producer.produce({ n: 1 }, destination)
  assert.deepEqual(lines(), [])
  await stored
  assert.deepEqual(lines(), ['{"n":1}'])
})

test('FileProducer: what changes after produce is not what is stored', async t => {
  const { producer, lines } = await openIn(t)
  const event: Record<string, unknown> = { n: 1 }
  const stored = producer.produce(event, destination)
  event.n = 2
  await stored
  assert.deepEqual(lines(), ['{"n":1}'])
})

test('FileProducer: concurrent events are whole lines, in their order', async t => {
  const { producer, lines } = await openIn(t)
  const expected: string[] = []
  const all = []
  for (let n = 0; n < 5000; n++) {
    // Some larger than one write, some with characters of several bytes.
    const event = { n, text: n % 1000 === 7 ? 'ü☃🎉\n'.repeat(200_000) : 'ü'.repeat(n % 50) }
    expected.push(JSON.stringify(event))
    all.push(producer.produce(event, destination))
    if (n % 100 === 0) await new Promise(setImmediate)
  }
  await Promise.all(all)
  assert.deepEqual(lines(), expected)
})

test('FileProducer: two processes of one file do not mix their lines', async t => {
  const { path, producer } = await openIn(t)
  const other = await FileProducer.open(path)
  t.after(() => other.close(100))
  const all = []
  for (let n = 0; n < 500; n++) {
    all.push(
      producer.produce({ a: n, x: 'x'.repeat(n) }, destination),
      other.produce({ b: n, x: 'x'.repeat(n) }, destination),
    )
    if (n % 10 === 0) await new Promise(setImmediate)
  }
  await Promise.all(all)
  assert.equal(linesOf(path).map(line => JSON.parse(line)).length, 1000)
})

test('FileProducer: what was there stays, and a line that was cut off spoils no other', async t => {
  const path = join(temporary(t), 'events.ndjson')
  writeFileSync(path, '{"old":1}\n{"cut":')
  const producer = await FileProducer.open(path)
  await producer.produce({ n: 1 }, destination)
  await producer.produce({ n: 2 }, destination)
  await producer.close(100)
  assert.deepEqual(linesOf(path), ['{"old":1}', '{"cut":', '{"n":1}', '{"n":2}'])
})

test('FileProducer: pretty', async t => {
  const { path, producer } = await openIn(t, { pretty: true })
  await producer.produce({ n: { m: 1 } }, destination)
  assert.equal(readFileSync(path, 'utf8'), '{\n  "n": {\n    "m": 1\n  }\n}\n')
})

test('FileProducer: a path that cannot be opened', async t => {
  await assert.rejects(FileProducer.open(join(temporary(t), 'no/such/folder')), { code: 'ENOENT' })
})

for (const shape of ['a socket', 'a pipe'] as const) {
  test(`FileProducer: /dev/stdout that is ${shape}`, async t => {
    const script = `
      import { FileProducer } from ${JSON.stringify(pathToFileURL(join(ROOT, 'dist/lib/producers/file.js')).href)}
      const producer = await FileProducer.open('/dev/stdout')
      await Promise.all([1, 2].map(n => producer.produce({ n, x: 'x'.repeat(100_000) }, {})))
      await producer.close(1000)`
    // The pipes that Node makes for a child are sockets.
    const command = [process.execPath, '--input-type=module', '-e', script]
    const [file = '', ...args] = shape === 'a socket' ? command : ['sh', '-c', '"$@" | cat', 'sh', ...command]
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => void child.kill('SIGKILL'))
    let text = ''
    for await (const chunk of child.stdout) text += chunk
    const found = text.split('\n').slice(0, -1)
    assert.deepEqual(
      found.map(line => JSON.parse(line).n),
      [1, 2],
    )
  })
}

test('FileProducer: a full disk: surely not stored, and it goes on', async t => {
  const producer = await FileProducer.open('/dev/full')
  t.after(() => producer.close(100))
  for (let i = 0; i < 3; i++) {
    const results = await Promise.allSettled([1, 2].map(n => producer.produce({ n }, destination)))
    for (const result of results) {
      assert.equal(result.status, 'rejected')
      assert.ok(result.reason instanceof GateError)
      assert.equal(result.reason.code, 'produce_failed')
      assert.equal(result.reason.retriable, true)
      assert.match(result.reason.message, /\/dev\/full.*ENOSPC/)
    }
  }
})

/**
 * A process whose files may have `limit` bytes until told otherwise. It produces `first` at once, says what
 * became of each, and at the first line of its input does the same with `second`.
 */
async function limited(t: TestContext, limit: number, first: object[], second: object[]) {
  const path = join(temporary(t), 'events.ndjson')
  const script = `
    import { once } from 'node:events'
    import { FileProducer } from ${JSON.stringify(pathToFileURL(join(ROOT, 'dist/lib/producers/file.js')).href)}
    const producer = await FileProducer.open(${JSON.stringify(path)})
    const run = async events => {
      const all = await Promise.allSettled(events.map(event => producer.produce(event, {})))
      console.log(JSON.stringify(all.map(({ status, reason }) => (status === 'fulfilled' ? 'stored' : reason.code))))
    }
    await run(${JSON.stringify(first)})
    await once(process.stdin, 'data')
    await run(${JSON.stringify(second)})
    process.exit()`
  const child = spawn(
    'prlimit',
    [`--fsize=${limit}:unlimited`, process.execPath, '--input-type=module', '-e', script],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  t.after(() => void child.kill('SIGKILL'))
  const output = createInterface(child.stdout)[Symbol.asyncIterator]()
  const next = async (): Promise<string[]> => JSON.parse((await output.next()).value)
  const outcomes = [await next()]
  execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited:unlimited'])
  const exit = once(child, 'exit')
  child.stdin.write('\n')
  outcomes.push(await next())
  await exit
  return { outcomes: outcomes.flat(), lines: readFileSync(path, 'utf8').split('\n') }
}

test('FileProducer: a disk that fills up within a line: what is whole is stored, what is not is not', async t => {
  const events = Array.from({ length: 6 }, (_, n) => ({ n, x: 'x'.repeat(10) }))
  const line = JSON.stringify(events[0]).length + 1
  // Four lines are written together; the disk is full after two and a part of the third.
  for (const part of [0, 1, 5, line - 2, line - 1]) {
    await t.test(`${part} of ${line} bytes of it`, async t => {
      const { outcomes, lines } = await limited(t, 2 * line + part, events.slice(0, 4), events.slice(4))
      const found = new Set<number>()
      for (const text of lines) {
        try {
          found.add(JSON.parse(text).n)
        } catch {}
      }
      const said = outcomes.flatMap((outcome, n) => (outcome === 'stored' ? [n] : []))
      assert.deepEqual([...found], said, `${outcomes} but the file has ${JSON.stringify(lines)}`)
      const isWhole = part === line - 1
      assert.deepEqual(said, isWhole ? [0, 1, 2, 4, 5] : [0, 1, 4, 5])
      for (const outcome of outcomes) assert.ok(outcome === 'stored' || outcome === 'produce_failed')
    })
  }
})

test('FileProducer: what waits is bounded, and what is refused at the bound is never written', async t => {
  const pipe = fifo(t)
  const producer = await FileProducer.open(pipe.path)
  const x = 'x'.repeat(1024 * 1024)
  const settled: (string | undefined)[] = []
  const all = Array.from({ length: 50 }, (_, n) =>
    producer.produce({ n, x }, destination).then(
      () => {
        settled[n] = 'stored'
      },
      error => {
        settled[n] = error.code
      },
    ),
  )
  await eventually(() => assert.ok(settled.includes('producer_full')))
  const refused = settled.filter(code => code === 'producer_full').length
  assert.equal(refused, 50 - 31, 'as many as fit into 32 MiB wait')
  assert.ok(!settled.includes('stored'), 'nobody has read anything yet')

  let text = ''
  const done = Promise.all(all)
  await eventually(() => {
    text += pipe.read()
    assert.equal(settled.filter(Boolean).length, 50)
  })
  await done
  text += pipe.read()
  const found = text
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line).n)
  assert.deepEqual(
    found,
    settled.flatMap((code, n) => (code === 'stored' ? [n] : [])),
  )
  await producer.produce({ n: 'after' }, destination)
  await producer.close(100)
})

test('FileProducer: close settles all that it had, and takes nothing more', async t => {
  const { producer, lines } = await openIn(t)
  const all = Promise.all(Array.from({ length: 100 }, (_, n) => producer.produce({ n }, destination)))
  await producer.close(10_000)
  await all
  assert.equal(lines().length, 100)
  await assert.rejects(producer.produce({}, destination), { code: 'draining', retriable: true })
  await producer.close(100)
})

test('FileProducer: close waits for its grace and no longer; what is left is surely not stored', async t => {
  const pipe = fifo(t)
  const producer = await FileProducer.open(pipe.path)
  const first = producer.produce({ x: 'x'.repeat(2 * 1024 * 1024) }, destination)
  await new Promise(resolve => setTimeout(resolve, 50))
  const second = producer.produce({ n: 2 }, destination)
  const refused = [
    assert.rejects(first, { code: 'produce_failed', fate: 'not_stored' }),
    assert.rejects(second, { code: 'deadline_not_stored', fate: 'not_stored' }),
  ]
  await producer.close(50)
  await Promise.all(refused)
  // What a full pipe took of the first is no line, and never becomes one.
  await new Promise(resolve => setTimeout(resolve, 50))
  assert.ok(!pipe.read().includes('\n'))
})
