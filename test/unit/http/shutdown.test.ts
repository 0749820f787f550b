import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConf } from '#src/lib/config/config.js'
import { shutdownTimes } from '#src/lib/http/shutdown.js'

test('if nobody says how long the process has, requests are answered within two seconds, and hasty events have ten', () => {
  assert.deepEqual(shutdownTimes(undefined), { idleMs: 1200, answerMs: 1500, endMs: 8000 })
  assert.deepEqual(readConf({}).shutdown, shutdownTimes(undefined))
  assert.equal(readConf({}).shutdown_timeout_ms, 10_000)
})

test('what is configured is used up, but for what an end in order takes', () => {
  assert.deepEqual(readConf({ shutdown_timeout_ms: 10_000 }).shutdown, {
    ...{ idleMs: 5000, answerMs: 8000, endMs: 8000 },
  })
  for (const ms of [1, 100, 1800, 2000, 5000, 10_000, 60_000]) {
    const { idleMs, answerMs, endMs } = shutdownTimes(ms)
    assert.ok(idleMs < answerMs && answerMs === endMs && endMs < ms, `${ms}`)
  }
})
