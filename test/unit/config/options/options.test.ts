import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Config, readConf } from '#src/lib/config/config.js'
import { OPTIONS, readOptions } from '#src/lib/config/options/options.js'
import { problemsIn } from '../../../support/config.js'

test('every option has a description and a default that it accepts', () => {
  for (const [name, { description, default: value }] of Object.entries(OPTIONS)) {
    assert.match(description, /^[A-Z`].{10,}(\.|\))$/s, name)
    assert.deepEqual(problemsIn({ [name]: value }), [], name)
  }
})

test('the type of every option follows from the table', () => {
  const config: Config = readConf({})
  const types: [number, boolean, string | null, readonly string[], readonly RegExp[] | undefined] = [
    config.max_body_size,
    config.dev_ui,
    config.stream_field,
    config.schema_base_uris,
    config.test_kitchen.ua_denylist,
  ]
  assert.equal(types.length, 5)
  // @ts-expect-error: a name that is not in the table does not compile
  assert.equal(config.max_body_sise, undefined)
  // @ts-expect-error: nor does a value of another type
  const text: string = config.max_body_size
  assert.equal(text, 10 * 1024 ** 2)
  // @ts-expect-error: an option that can be null must be checked
  assert.equal(config.stream_field.length, 'meta.stream'.length)
})

test('a value that cannot be parsed is reported where it stands, and the others are parsed', () => {
  const problems: string[] = []
  const options = readOptions(
    { trusted_proxies: ['x'], test_kitchen: { ua_denylist: ['('] }, max_body_size: '1kb' },
    path => problems.push(path),
  )
  assert.deepEqual(problems, ['trusted_proxies', 'test_kitchen.ua_denylist'])
  assert.equal(options.max_body_size, 1024)
})
