import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problemsIn } from '../../support/config.js'

test('every problem is named at once, with its path, its value and what is allowed', () => {
  const conf = {
    port: '80',
    max_body_sise: 1,
    hasty_max_bytes: 'lots',
    cors: true,
    schema_base_uris: 'x',
    test_events: [1],
  }
  const problems = problemsIn(conf, { num_workers: true, colour: 'red', logging: { level: 'loud' } })
  assert.deepEqual(
    new Map(problems.map(({ path, message }) => [path, message])),
    new Map([
      ['the file', 'has no option "colour"'],
      ['num_workers', 'must be an integer, or text, not true'],
      ['logging.level', 'must be "trace" or "debug" or "info" or "warn" or "error" or "fatal", not "loud"'],
      ['services[0].conf', 'has no option "max_body_sise"; did you mean "max_body_size"?'],
      ['services[0].conf.port', 'must be an integer from 0 to 65535, not "80"'],
      [
        'services[0].conf.cors',
        'must be false, or text that matches ^[\\x20-\\x7e]+$, or a list that is not empty, not true',
      ],
      ['services[0].conf.hasty_max_bytes', 'must be a number of bytes, or a size such as "10mb", not "lots"'],
      ['services[0].conf.schema_base_uris', 'must be a list, not "x"'],
      ['services[0].conf.test_events[0]', 'must be an object, not 1'],
    ]),
  )
})
