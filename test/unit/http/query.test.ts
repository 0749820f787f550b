import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeQueryReader } from '#src/lib/http/query.js'

const read = makeQueryReader({ schemaUri: 'schema_uri', stream: 'stream' })

test('a bare ?hasty is hasty, an empty one is not', () => {
  for (const query of ['?hasty', '?hasty=true', '?hasty=1', '?hasty=yes', '?a=b&hasty'])
    assert.equal(read(`/v1/events${query}`).delivery, 'hasty', query)
  for (const query of ['', '?', '?hasty=', '?hasty=false', '?hasty=0', '?hasty=no', '?Hasty', '?a=hasty'])
    assert.equal(read(`/v1/events${query}`).delivery, 'guaranteed', query)
})

test('parameters fill fields; what is unknown is ignored, even if it is badly escaped', () => {
  const query = read('/?schema_uri=%2Fa%2F1.0.0&stream=a+b&%ff=1&x=%ff&x=2')
  assert.deepEqual(query, { delivery: 'guaranteed', schemaUri: '/a/1.0.0', stream: 'a b' })
  assert.deepEqual(read('/?schema_uri=&stream'), {
    delivery: 'guaranteed',
    schemaUri: undefined,
    stream: undefined,
  })
})

test('what is ambiguous is refused', () => {
  for (const query of [
    'hasty=perhaps',
    'hasty=constructor',
    'hasty&hasty',
    'stream=a&stream=a',
    'stream=%ff',
  ])
    assert.throws(() => read(`/?${query}`), { code: 'query_refused' }, query)
})

test('a parameter that is not configured means nothing', () => {
  const none = makeQueryReader({ schemaUri: null, stream: null })
  assert.deepEqual(none('/?schema_uri=/a/1.0.0&stream=a&stream=b'), { delivery: 'guaranteed' })
})
