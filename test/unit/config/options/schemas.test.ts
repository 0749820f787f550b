import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConf } from '#src/lib/config/config.js'
import { assertRefused } from '../../../support/config.js'

test('repositories are a list of locations', () => {
  assertRefused([
    [{ schema_base_uris: ['/fine', 's3://bucket/x'] }, 'schema_base_uris', /"s3:\/\/bucket\/x"/],
    [{ schema_base_uris: '/not/a/list' }, 'schema_base_uris', /must be a list/],
  ])
})

test('an extension has its dot, written or not', () => {
  for (const schema_file_extension of ['yml', '.yml'])
    assert.equal(readConf({ schema_file_extension }).schema_file_extension, '.yml')
  assert.equal(readConf({}).schema_file_extension, '.yaml')
  assertRefused([[{ schema_file_extension: '../x' }, 'schema_file_extension', /must be text that matches/]])
})
