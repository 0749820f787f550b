import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError, OPTIONS, type Problem, readConf, readConfigFile } from '#src/lib/config.js'
import { ROOT } from './helpers.js'

function problemsOf(read: () => unknown): readonly Problem[] {
  try {
    read()
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems
  }
  return []
}
const file = (conf: object, top: object = {}) => JSON.stringify({ ...top, services: [{ name: 'x', conf }] })

test('the configurations that ship can be read', () => {
  for (const name of ['config.yaml', 'config.dev.yaml']) {
    const { services } = readConfigFile(readFileSync(join(ROOT, name), 'utf8'), {})
    assert.equal(readConf(services[0]?.conf ?? {}).port, 8192)
  }
})

test('every problem is named at once, with its path, its value and what is allowed', () => {
  const conf = {
    port: '80',
    max_body_sise: 1,
    hasty_max_bytes: 'lots',
    cors: true,
    schema_base_uris: 'x',
    test_events: [1],
  }
  const problems = problemsOf(() =>
    readConfigFile(file(conf, { num_workers: 2, colour: 'red', logging: { level: 'loud' } }), {}),
  )
  assert.deepEqual(
    new Map(problems.map(({ path, message }) => [path, message])),
    new Map([
      ['the file', 'has no option "colour"'],
      ['num_workers', 'must be 0 (one process serves; run more of them), not 2'],
      ['logging.level', 'must be "trace" or "debug" or "info" or "warn" or "error" or "fatal", not "loud"'],
      ['services[0].conf', 'has no option "max_body_sise"; is "max_body_size" meant?'],
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

test('impossible combinations are named', () => {
  const conf = { max_body_size: '20mb', request_timeout_ms: 1000 }
  const problems = problemsOf(() => readConfigFile(file(conf), {}))
  assert.deepEqual(problems, [
    {
      path: 'services[0].conf.max_body_size',
      message:
        'is 20971520, more than hasty_max_bytes, 16777216: the largest body could never be let in hastily',
    },
    {
      path: 'services[0].conf.schema_timeout_ms',
      message:
        'is 3000, more than request_timeout_ms, 1000: a request would end before its schema could be had',
    },
  ])
})

test('proxies and agents that cannot be read are named with the option they stand in', () => {
  const conf = {
    trusted_proxies: ['10.0.0.0/8', 'proxy.example', '10.0.0.0/33'],
    test_kitchen: { ua_denylist: ['fine', '(bot'] },
  }
  const problems = problemsOf(() => readConfigFile(file(conf), {}))
  assert.deepEqual(
    problems.map(({ path }) => path),
    ['services[0].conf.trusted_proxies', 'services[0].conf.test_kitchen.ua_denylist'],
  )
  assert.match(String(problems[0]?.message), /"proxy\.example" is neither an address nor a network/)
  assert.match(String(problems[1]?.message), /\(bot/)
  const of = (conf: object) => problemsOf(() => readConfigFile(file(conf), {})).map(({ path }) => path)
  assert.deepEqual(of({ trusted_proxies: '10.0.0.0/8' }), ['services[0].conf.trusted_proxies'])
  assert.deepEqual(of({ test_kitchen: { ua_denylist: 'bot' } }), [
    'services[0].conf.test_kitchen.ua_denylist',
  ])
  assert.deepEqual(of({ test_kitchen: { denylist: [] } }), ['services[0].conf.test_kitchen'])
  assert.deepEqual(of({ trusted_proxies: [], test_kitchen: { ua_denylist: [] } }), [])
})

test('what is taken hastily must fit into the queue behind it', () => {
  const conf = { 'metadata.broker.list': 'a:1', 'queue.buffering.max.messages': 1000 }
  const problems = problemsOf(() => readConfigFile(file({ kafka: { conf } }), {}))
  assert.equal(problems.length, 1)
  assert.equal(problems[0]?.path, 'services[0].conf.hasty_max_events')
  assert.match(problems[0]?.message ?? '', /1000 events.*lost after their 202/)
})

test('what Kafka is said to be must be one sink', () => {
  const kafka = { conf: { 'metadata.broker.list': 'a:1' } }
  assert.equal(
    problemsOf(() => readConfigFile(file({ producer: 'kafka' }), {}))[0]?.path,
    'services[0].conf.producer',
  )
  assert.equal(
    problemsOf(() => readConfigFile(file({ kafka, output_path: 'x' }), {}))[0]?.path,
    'services[0].conf.producer',
  )
  assert.deepEqual(
    problemsOf(() => readConfigFile(file({ kafka, output_path: 'x', producer: 'file' }), {})),
    [],
  )
})

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
          'cannot be read: "{env(A,a)b)}" cannot be filled in: a default cannot hold a closing parenthesis',
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
    "services[0].conf.kafka.conf['sasl.password'] is read in several ways by readers of YAML: put it into quotes",
  ])
  const [commented] = problemsOf(() => readConfigFile('{ // the service\n "services": [] }', {}))
  assert.match(String(commented?.message), /JSON with comments/)
})

test('defaults are whole, sizes are bytes, and the result is frozen', () => {
  const config = readConf({
    max_body_size: '4mb',
    http_request_headers_to_fields: { 'x-a': 'a.b' },
    schema_file_extension: 'yml',
  })
  assert.equal(config.max_body_size, 4 * 1024 * 1024)
  assert.equal(config.schema_file_extension, '.yml')
  assert.deepEqual(config.http_request_headers_to_fields, {
    'x-request-id': 'meta.request_id',
    'user-agent': 'http.request_headers.user-agent',
    'x-a': 'a.b',
  })
  for (const name of Object.keys(OPTIONS))
    assert.notEqual(config[name as keyof typeof config], undefined, name)
  assert.throws(() => Object.assign(config, { port: 1 }), TypeError)
  // service-runner adds to a service's options.
  assert.deepEqual(readConf({ worker_id: 0, logging: {}, metrics: [], num_workers: 0 }), readConf({}))
})
