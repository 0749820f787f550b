import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfigFile } from '#src/lib/config/file.js'
import { ConfigError } from '#src/lib/config/problems.js'
import { problemsOf } from '../../support/config.js'

test('files that are no configuration are refused', () => {
  for (const text of [
    '',
    '[',
    '42',
    'services: []',
    'services: [{name: x}]',
    'services: [null]',
    'a: 1\na: 2',
  ]) {
    assert.ok(problemsOf(() => readConfigFile(text, {})).length > 0, text)
  }
})

test('variables of the environment are filled in', () => {
  const text =
    'services: [{name: "{env(NAME)}", conf: {port: {env(PORT,8080)}, output_path: "{ env(OUT, /x/y) }"}}]'
  const { services } = readConfigFile(text, { NAME: 'a name', PORT: '9090' })
  assert.deepEqual(services, [{ name: 'a name', conf: { port: 9090, output_path: '/x/y' } }])
})

test('a variable that is all of a quoted text is that text, whatever is in it', () => {
  const secrets = [`it's`, 'say "so"', 'a: b # c', 'two\nlines', '\\', '{env(OTHER)}', '$&', '']
  for (const secret of secrets) {
    for (const quote of [`'`, '"']) {
      const text = `services: [{name: x, conf: {user_agent: ${quote}{env(SECRET)}${quote}}}]`
      if (secret.includes('\n')) assert.throws(() => readConfigFile(text, { SECRET: secret }), ConfigError)
      else if (secret !== '') {
        const { services } = readConfigFile(text, { SECRET: secret, OTHER: 'wrong' })
        assert.deepEqual(services, [{ name: 'x', conf: { user_agent: secret } }], secret)
      }
    }
  }
  // Beside other text it is put in as it is.
  const { services } = readConfigFile(
    `services: [{name: 'x-{env(A)}', conf: {output_path: "{env(B)}/y", topic_prefix: '{env(A)}{env(B)}'}}]`,
    { A: 'a', B: 'b' },
  )
  assert.deepEqual(services, [{ name: 'x-a', conf: { output_path: 'b/y', topic_prefix: 'ab' } }])
})

test('a default is without the blanks around it, and one that cannot be is refused', () => {
  const nameOf = (name: string) =>
    readConfigFile(`services: [{name: "${name}", conf: {}}]`, {}).services[0]?.name
  assert.equal(nameOf('{env(A, d )}'), 'd')
  assert.equal(nameOf('{env(A,a b)}'), 'a b')
  assert.deepEqual(
    problemsOf(() => nameOf('{env(A,a)b)}')),
    [
      {
        path: 'the file',
        message:
          'cannot be read: "{env(A,a)b)}" cannot be filled in: a default cannot contain a closing parenthesis',
      },
    ],
  )
})

test('config.yaml: merge keys, a byte order mark, flow style; what readers disagree on is said, but no secret', () => {
  const conf = { max_body_size: 1000, user_agent: 'x' }
  for (const text of [
    `_d: &d {max_body_size: 1_000}\nservices: [{name: a, conf: {<<: *d, user_agent: x}}]`,
    '\ufeffservices:\n- {name: a, conf: {max_body_size: 1000, user_agent: x}}',
    '{services: [{name: a, conf: {max_body_size: 1000, user_agent: x}}]}',
  ])
    assert.deepEqual(readConfigFile(text.replace('_d:', 'info:'), {}).services[0]?.conf, conf, text)
  const said: string[] = []
  const text = `services: [{name: a, conf: {user_agent: 'x', topic_prefix: on, kafka: {conf: {metadata.broker.list: 'k:1', sasl.password: {env(PW)}}}}}]`
  readConfigFile(text, { PW: 'yes' }, ({ path, message }) => said.push(`${path} ${message}`))
  assert.deepEqual(said, [
    'services[0].conf.topic_prefix is "on", read as a text, and as true in YAML 1.1: write it so that all readers agree',
    "services[0].conf.kafka.conf['sasl.password'] is read differently by different YAML parsers: put it into quotes",
  ])
  const [commented] = problemsOf(() => readConfigFile('{ // the service\n "services": [] }', {}))
  assert.match(String(commented?.message), /JSON with comments/)
})
