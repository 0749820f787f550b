import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from '#src/lib/did-you-mean.js'

const KNOWN = ['schema_title', 'topic_prefix', 'port', 'ports']

for (const [name, expected] of [
  ['schema_titel', 'schema_title'],
  ['SCHEMA_TITLE', 'schema_title'],
  ['topicprefix', 'topic_prefix'],
  ['prot', 'port'],
  ['schematitles', 'schema_title'],
  ['xyz', undefined],
  ['something_else', undefined],
] as const)
  test(`${name} ${expected ? `may mean ${expected}` : 'is like no known name'}`, () => {
    assert.equal(nearest(name, KNOWN), expected)
  })

test('of names that are equally near, the first one is given', () => {
  assert.equal(nearest('portx', ['porta', 'portb']), 'porta')
})

test('among no names nothing is nearest', () => assert.equal(nearest('a', []), undefined))
