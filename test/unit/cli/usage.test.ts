import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FLAGS, USAGE } from '#src/cli/usage.js'

test('every flag is in the text of --help, with its short form', () => {
  for (const [name, flag] of Object.entries(FLAGS)) {
    assert.match(USAGE, new RegExp(`--${name}\\b`), name)
    if ('short' in flag) assert.match(USAGE, new RegExp(`-${flag.short}\\b`), name)
  }
})

test('the text of --help fits into a terminal of 120 columns', () => {
  for (const line of USAGE.split('\n')) assert.ok(line.length <= 120, line)
})
