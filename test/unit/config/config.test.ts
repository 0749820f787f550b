import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError, OPTIONS, type Problem, readConf, readConfigFile } from '#src/lib/config/config.js'
import { ROOT } from '../../support/service.js'

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

test('what is taken hastily, and error events, follow the queue behind them', () => {
  const queued = (messages: number, conf: object = {}, properties: object = {}) => ({
    ...conf,
    kafka: {
      conf: { 'metadata.broker.list': 'a:1', 'queue.buffering.max.messages': messages, ...properties },
    },
  })
  const bounds: [conf: Record<string, unknown>, errorEvents: number, hasty: number][] = [
    [queued(200, { error_stream: 'e' }), 50, 150],
    [queued(200), 0, 200],
    [queued(200, { error_stream: 'e', hasty_max_events: 100 }), 50, 100],
    [queued(2, { error_stream: 'e' }), 1, 1],
    [queued(1), 0, 1],
    // 0 is without a bound.
    [queued(0, { error_stream: 'e' }), 5000, 20_000],
    [queued(100_000, { error_stream: 'e' }), 5000, 20_000],
    [queued(25_000, { error_stream: 'e', hasty_max_events: 20_000 }), 5000, 20_000],
    [{ error_stream: 'e' }, 5000, 20_000],
  ]
  for (const [conf, errorEvents, hasty] of bounds) {
    const config = readConf(conf, undefined)
    assert.deepEqual(
      [config.max_error_events, config.hasty_max_events],
      [errorEvents, hasty],
      JSON.stringify(conf),
    )
    const isLower = conf.hasty_max_events === undefined && hasty < 20_000
    assert.equal(
      config.warnings.some(({ path }) => path === 'hasty_max_events'),
      isLower,
    )
  }
  const small = readConf(queued(100, {}, { 'queue.buffering.max.kbytes': 4096 }), undefined)
  assert.deepEqual([small.hasty_max_bytes, small.max_body_size], [4 * 1024 ** 2, 4 * 1024 ** 2])
})

test('a queue that cannot hold what is configured is refused, without a negative number', () => {
  const kafka = (properties: object) => ({ conf: { 'metadata.broker.list': 'a:1', ...properties } })
  const cases: [conf: object, path: string, message: RegExp][] = [
    [
      { kafka: kafka({ 'queue.buffering.max.messages': 200 }), error_stream: 'e', hasty_max_events: 180 },
      'hasty_max_events',
      /at most 150, not 180.* 200 events \(queue\.buffering\.max\.messages\) and 50 of them are for error events/,
    ],
    [
      { kafka: kafka({ 'queue.buffering.max.messages': 1000 }), hasty_max_events: 20_000 },
      'hasty_max_events',
      /at most 1000, not 20000/,
    ],
    [
      { kafka: kafka({ 'queue.buffering.max.messages': 1 }), error_stream: 'e' },
      'kafka.conf',
      /queue\.buffering\.max\.messages of at least 2/,
    ],
    [
      { kafka: kafka({ 'queue.buffering.max.kbytes': 4096 }), hasty_max_bytes: '16mb', max_body_size: '1mb' },
      'hasty_max_bytes',
      /at most 4194304, not 16777216.*queue\.buffering\.max\.kbytes/,
    ],
  ]
  for (const [conf, path, message] of cases) {
    const [problem, ...others] = problemsOf(() => readConfigFile(file(conf), {}))
    assert.deepEqual([problem?.path, others], [`services[0].conf.${path}`, []])
    assert.match(String(problem?.message), message)
    assert.doesNotMatch(String(problem?.message), /-\d/)
  }
})

test('values that can never work are refused', () => {
  const broker = { 'metadata.broker.list': 'a:1' }
  const cases: [conf: object, path: string, message: RegExp][] = [
    ...['0', '0mb', '0.5b', '0.9', '0 kB'].map((size): [object, string, RegExp] => [
      { max_body_size: size },
      'max_body_size',
      /comes to 0 bytes/,
    ]),
    ...[
      ['https://a.example/', 'is "https://a.example" meant?'],
      ['https://a.example/path?x', 'is "https://a.example" meant?'],
      ['https://A.example', 'is "https://a.example" meant?'],
      ['https://a.example:443', 'is "https://a.example" meant?'],
      ['https://user@a.example', 'is "https://a.example" meant?'],
      ['a.example', 'not "a.example"'],
      ['https://*.example', 'not "https://*.example"'],
      ['https://a.example, https://b.example', 'not "https://a.example, https://b.example"'],
      ['no', 'is false meant?'],
    ].map(([cors = '', message = '']): [object, string, RegExp] => [
      { cors },
      'cors',
      new RegExp(message.replace(/[.*+?/]/g, '\\$&')),
    ]),
    [{ cors: ['https://a.example', '*'] }, 'cors[1]', /stands alone/],
    [{ cors: ['https://a.example/'] }, 'cors[0]', /is "https:\/\/a\.example" meant/],
    [{ error_stream: '..' }, 'error_stream', /"\.\."/],
    [{ topic_prefix: 'x'.repeat(250) }, 'topic_prefix', /must be text that matches/],
    [{ schema_base_uris: ['/fine', 's3://bucket/x'] }, 'schema_base_uris', /"s3:\/\/bucket\/x"/],
    [{ schema_base_uris: '/not/a/list' }, 'schema_base_uris', /must be a list/],
    [{ stream_config_uri: 'ftp://a/b' }, 'stream_config_uri', /neither a path nor/],
    [{ stream_config_uri: ['a', 'b'] }, 'stream_config_uri', /must be text/],
    [{ http_request_headers_to_fields: { 'x y': 'a' } }, 'http_request_headers_to_fields', /"x y"/],
    [
      { kafka: { conf: { 'metadata.broker.list': ['a:9092', 'b:9092'] } } },
      "kafka.conf['metadata.broker.list']",
      /must be one text, not a list/,
    ],
    [
      { kafka: { conf: { ...broker, 'client.id': ['a'] } } },
      "kafka.conf['client.id']",
      /must be one text, not a list/,
    ],
    [
      { kafka: { conf: { ...broker, acks: { all: true } } } },
      "kafka.conf['acks']",
      /must be one value, not a map/,
    ],
  ]
  for (const [conf, path, message] of cases) {
    const [problem, ...others] = problemsOf(() => readConfigFile(file(conf), {}))
    assert.deepEqual([problem?.path, others], [`services[0].conf.${path}`, []], JSON.stringify(conf))
    assert.match(String(problem?.message), message)
  }
  const fine = [
    'null',
    'http://localhost:3000',
    'https://[::1]:8443',
    'moz-extension://0a-1b',
    'capacitor://localhost',
  ]
  assert.deepEqual(
    problemsOf(() => readConfigFile(file({ cors: fine }), {})),
    [],
  )
  for (const cors of [...fine, '*', false])
    assert.deepEqual(
      problemsOf(() => readConfigFile(file({ cors }), {})),
      [],
    )
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
