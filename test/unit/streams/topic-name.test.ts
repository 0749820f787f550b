import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLegalTopic, metricName, topicOf } from '#src/lib/streams/topic-name.js'

for (const topic of ['a', 'A.b_c-9', '...', 'x'.repeat(249)])
  test(`Kafka allows the topic ${topic.slice(0, 20)}`, () => assert.ok(isLegalTopic(topic)))

for (const topic of ['', '.', '..', 'a b', 'a/b', 'é', 'a\n', 'x'.repeat(250)])
  test(`Kafka does not allow the topic ${JSON.stringify(topic.slice(0, 20))}`, () =>
    assert.ok(!isLegalTopic(topic)))

test('a topic has the prefix, except that of a stream named eventlogging_…', () => {
  assert.equal(topicOf('my.stream', 'eqiad.'), 'eqiad.my.stream')
  assert.equal(topicOf('eventlogging_Search', 'eqiad.'), 'eventlogging_Search')
  assert.equal(topicOf('eventlogging.Search', 'eqiad.'), 'eqiad.eventlogging.Search')
})

test('names that differ only in . and _ are the same in metrics', () => {
  assert.equal(metricName('a.b_c.d'), metricName('a_b.c_d'))
  assert.notEqual(metricName('a-b'), metricName('a.b'))
})
