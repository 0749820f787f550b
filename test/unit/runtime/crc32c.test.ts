import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32c } from '#src/lib/runtime/crc32c.js'

const require = createRequire(import.meta.url)

test('CRC-32C is what others say it is', () => {
  const theirs = require('kafkajs/src/protocol/recordBatch/crc32C/crc32C') as (data: Buffer) => number
  assert.equal(crc32c(Buffer.from('123456789'), 0, 9) >>> 0, 0xe3069283)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(10), (bytes, skip) => {
      const data = Buffer.from(bytes)
      const start = Math.min(skip, data.length)
      assert.equal(crc32c(data, start, data.length) >>> 0, theirs(data.subarray(start)) >>> 0)
    }),
  )
})
