import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConf } from '#src/lib/config/config.js'
import { readConfigFile } from '#src/lib/config/file.js'
import { OPTIONS } from '#src/lib/config/options/options.js'
import { ROOT } from '../../support/service.js'

test('the configurations that ship can be read', () => {
  for (const name of ['config.yaml', 'config.dev.yaml']) {
    const { services } = readConfigFile(readFileSync(join(ROOT, name), 'utf8'), {})
    assert.equal(readConf(services[0]?.conf ?? {}).port, 8192)
  }
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
