import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OutOfTime, slowPattern } from '#src/lib/regexp/safety.js'

test('patterns as they are in use are taken', () => {
  const inUse = [
    ...[
      '^\\d{1,2}\\/\\d{1,7}\\/\\d{1,7}$',
      '^[a-fA-F0-9]{8}(-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}$',
      '^[^/]+$',
    ],
    ...[
      '^[\\d\\w-]+$',
      '^[a-z]{1,63}$',
      '^[0-9a-f]{40}$',
      '^.{1,500}$',
      '^[^@]{1,64}@[^@]{1,255}$',
      '^.+@.+$',
    ],
    ...[
      '^[\\w.-]{1,64}(/[\\w.-]{1,64}){0,5}$',
      '^(?!x)[a-z]+$',
      '^(?=.*[A-Z])(?=.*\\d).+$',
      '^(\\w+)\\s\\1$',
    ],
    ...['^(\\+|00)?[0-9 ]{5,20}$', '^[a-z]{1,63}(\\.[a-z]{1,63}){1,20}$', '^[\\s\\S]{1,100000}$', 'wiki', ''],
    ...['^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==)?$', '^(en|de|fr)(wiki|wiktionary)$', '\\bfoo\\b'],
    ...['^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,30})?Z$', '^([0-9a-f]{2}:){5}[0-9a-f]{2}$'],
  ]
  assert.equal(slowPattern(inUse, Infinity), undefined)
})

test('the look at patterns is bounded itself', { timeout: 60_000 }, () => {
  for (const pattern of [
    '(?!x)'.concat('(a*)*'.repeat(300)),
    '(?!x)'.concat('a?'.repeat(2000)),
    `(?!x)(${'a|'.repeat(3000)}b)*`,
    `${'('.repeat(5000)}a{17}${')'.repeat(5000)}`,
    `(?!x)${'a'.repeat(20_000)}`,
  ]) {
    const before = process.cpuUsage()
    assert.equal(slowPattern([pattern]), pattern)
    assert.ok(process.cpuUsage(before).user < 5e6)
  }
  // Each of these is innocent, and costs something; who comes again gets further.
  const many = Array.from({ length: 5 }, (_, i) => `^(?!x{2${i}})[a-z]{1,${63 + i}}$`)
  for (let i = 0; i < 4; i++) assert.ok(slowPattern(many, 0) instanceof OutOfTime)
  assert.equal(slowPattern(many, 0), undefined)
})
