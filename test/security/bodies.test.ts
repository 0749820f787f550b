import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GateError } from '#src/lib/errors.js'
import { readBody } from '#src/lib/http/body.js'

test('10 MB of anything are read, or refused, in reasonable time', { timeout: 120_000 }, () => {
  const size = 10 * 1024 * 1024
  const bodies: Record<string, string> = {
    'open arrays': '['.repeat(size),
    'nested arrays': '['.repeat(size / 2) + ']'.repeat(size / 2),
    'nested objects': `${'{"a":'.repeat(size / 6)}1${'}'.repeat(size / 6)}`,
    'array of numbers': `{"a":[${'1,'.repeat(size / 2)}1e400]}`,
    'many events': `[${'{},'.repeat(size / 3)}{"a":1e400}]`,
    'many inexact events': `[${'9007199254740993,'.repeat(size / 17)}1]`,
    'many keys': `{${Array.from({ length: 600_000 }, (_, i) => `"k${i}":{}`).join()},"z":1e400}`,
    backslashes: `{"a":"${'\\\\'.repeat(size / 2)}","b":1e400}`,
    'escaped quotes': `{"a":"${'\\"'.repeat(size / 2)}","b":1e400}`,
    'a long fraction of zeros': `{"a":9007199254740993.${'0'.repeat(size)}1}`,
    'a long number': `{"a":${'9'.repeat(size)}}`,
    'nearly inexact': `{"a":"${'1e1'.repeat(size / 3)}"}`,
    blanks: `{"a":1e5${' '.repeat(size)}}`,
  }
  for (const [name, text] of Object.entries(bodies)) {
    const bytes = Buffer.from(text)
    const started = process.cpuUsage()
    try {
      const body = readBody(bytes)
      body.textOf(body.events.length - 1)
    } catch (error) {
      assert.ok(error instanceof GateError, `${name}: ${error}`)
    }
    const { user } = process.cpuUsage(started)
    assert.ok(user < 8e6, `${name} took ${user / 1e6} s`)
  }
})
