import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Spool } from '#src/lib/spool/spool.js'

test('what was appended is read in order, until it is done', async () => {
  const spool = await Spool.open({ maxBytes: 1e9 }, undefined, {
    now: () => 0,
    at: () => () => {},
    wall: () => 0,
  })
  const record = {
    topic: 't',
    key: null,
    valueBytes: 1,
    timestamp: 0,
    stream: 's',
    delivery: 'guaranteed' as const,
  }
  for (const value of ['1', '2', '3']) await spool.append({ ...record, partition: 0, value })
  const seen: string[] = []
  for await (const chunk of spool.pass(() => false)) for (const { value } of chunk) seen.push(`${value}`)
  assert.deepEqual(seen, ['1', '2', '3'])
})
