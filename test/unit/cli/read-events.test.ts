import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { batchesOf } from '#src/cli/read-events.js'
import { GateError } from '#src/lib/errors.js'
import { ROOT, temporary, testEvent } from '../../support/service.js'

const TEXTS: [what: string, text: string | Buffer, found: [line: number, event: unknown][]][] = [
  ['nothing', '', []],
  ['blank lines', '\n \r\n\n', []],
  [
    'a line each',
    '{"a":1}\n{"a":2}\n',
    [
      [1, { a: 1 }],
      [2, { a: 2 }],
    ],
  ],
  [
    'no end of the last line',
    '{"a":1}\n\n{"a":2}',
    [
      [1, { a: 1 }],
      [3, { a: 2 }],
    ],
  ],
  [
    'CRLF and blanks',
    '  {"a":1}\r\n\t{"a":2} \r\n',
    [
      [1, { a: 1 }],
      [2, { a: 2 }],
    ],
  ],
  [
    'lists in lines',
    '[{"a":1},{"a":2}]\n[{"a":3}]',
    [
      [1, { a: 1 }],
      [1, { a: 2 }],
      [2, { a: 3 }],
    ],
  ],
  [
    'a byte order mark',
    '\uFEFF{"a":1}\n{"a":2}',
    [
      [1, { a: 1 }],
      [2, { a: 2 }],
    ],
  ],
  ['a document over lines', '\n{\n  "a": 1\n}\n', [[2, { a: 1 }]]],
  [
    'several of them',
    '{\n "a": 1\n}\n{\n "a": "}"\n}\n',
    [
      [1, { a: 1 }],
      [4, { a: '}' }],
    ],
  ],
  [
    'a list over lines',
    '[\n  {\n    "a": 1\n  },\n\n  {"a":1},\n  {"a":1}\n, {"a":[\n4]}]\n',
    [
      [2, { a: 1 }],
      [6, { a: 1 }],
      [7, { a: 1 }],
      [8, { a: [4] }],
    ],
  ],
  [
    'a list over lines that are not indented',
    '[\n{"a":1},\n{"a":2}\n]',
    [
      [2, { a: 1 }],
      [3, { a: 2 }],
    ],
  ],
  [
    'a line that is no JSON',
    '{"a":1}\nnope\n{"a":2}',
    [
      [1, { a: 1 }],
      [2, undefined],
      [3, { a: 2 }],
    ],
  ],
  [
    'a line that is cut off',
    '{"a":1}\n{"b":[{"c":1\n{"a":2}\n{"a":3}\n{"a":4}\n',
    [
      [1, { a: 1 }],
      [2, undefined],
      [3, { a: 2 }],
      [4, { a: 3 }],
      [5, { a: 4 }],
    ],
  ],
  [
    'a last line that is cut off',
    '{"a":1}\n{"b":',
    [
      [1, { a: 1 }],
      [2, undefined],
    ],
  ],
  ['a document that is cut off', '{\n  "a": 1,\n', [[1, undefined]]],
  ['a document that is no JSON', '{\n  "a": 1,\n}\n', [[1, undefined]]],
  ['what is not UTF-8', Buffer.from([0x22, 0xff, 0x22, 0x0a]), [[1, undefined]]],
]

for (const [what, text, found] of TEXTS) {
  test(`events of ${what}`, async t => {
    const path = join(temporary(t), 'events')
    writeFileSync(path, text)
    const read = []
    for await (const batch of batchesOf(path)) read.push(...batch)
    assert.deepEqual(
      read.map(({ line, event }) => [line, event instanceof GateError ? undefined : event]),
      found,
    )
    assert.deepEqual(
      read.map(({ index, file }) => [index, file]),
      found.map((_, index) => [index, path]),
    )
  })
}

test('batches are small, and lines may end in any piece of a file', async t => {
  const path = join(temporary(t), 'events')
  const events = Array.from({ length: 2000 }, (_, n) => ({ n, text: 'ł'.repeat(n % 97) }))
  writeFileSync(path, events.map(event => JSON.stringify(event)).join('\n'))
  const read = []
  for await (const batch of batchesOf(path)) {
    assert.ok(batch.length > 0 && batch.length <= 100)
    read.push(...batch)
  }
  assert.deepEqual(
    read.map(({ event }) => event),
    events,
  )
  assert.deepEqual(
    read.map(({ line }) => line),
    events.map((_, i) => i + 1),
  )
})

test('verdicts come while the standard input is open', async t => {
  const child = spawn(process.execPath, ['dist/cli.js', 'validate'], {
    ...{ cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] },
  })
  t.after(() => void child.kill('SIGKILL'))
  const output = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  for (const n of [1, 2]) {
    child.stdin?.write(`${JSON.stringify(testEvent())}\n`)
    assert.match(String((await output.next()).value), new RegExp(`^accepted stdin:${n} `))
  }
  const exit = once(child, 'exit')
  child.stdin?.end()
  assert.deepEqual(await exit, [0, null])
})
