import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readKafkaConf } from '#src/lib/kafka/config.js'
import { testAuthority } from '../../support/kafka-certs.js'
import { temporary } from '../../support/service.js'

const BROKERS = { 'metadata.broker.list': 'a:9093' }

function read(kafka: object) {
  return readKafkaConf(kafka, { requestTimeoutMs: 9000 })
}

test('TLS and SASL', t => {
  const dir = temporary(t)
  const ca = join(dir, 'ca.pem')
  writeFileSync(ca, testAuthority().ca)
  const { settings, problems } = read({
    conf: {
      ...BROKERS,
      'security.protocol': 'SASL_SSL',
      'ssl.ca.location': ca,
      'ssl.cipher.suites': 'ECDHE-ECDSA-AES256-GCM-SHA384',
      'ssl.curves.list': 'P-256',
      'ssl.sigalgs.list': 'ECDSA+SHA256',
      'ssl.endpoint.identification.algorithm': 'none',
      'sasl.mechanism': 'SCRAM-SHA-512',
      'sasl.username': 'u',
      'sasl.password': 'p',
    },
  })
  assert.deepEqual(problems, [])
  assert.ok(settings)
  const { ssl, sasl } = settings.guaranteed.cluster
  assert.deepEqual(sasl, { mechanism: 'scram-sha-512', username: 'u', password: 'p' })
  assert.deepEqual(ssl?.ca, [readFileSync(ca)])
  assert.match(String(ssl?.ciphers), /^TLS_.*:ECDHE-ECDSA-AES256-GCM-SHA384$/)
  assert.equal(ssl?.rejectUnauthorized, true)
  assert.equal(ssl?.checkServerIdentity?.('x', {} as never), undefined)
})

test('certificates and credentials that cannot work are named', t => {
  const dir = temporary(t)
  writeFileSync(join(dir, 'bad.pem'), '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n')
  const bad = { ...BROKERS, 'security.protocol': 'ssl', 'ssl.ca.location': join(dir, 'bad.pem') }
  assert.match(read({ conf: bad }).problems[0]?.message ?? '', /is not a certificate/)
  assert.match(
    read({ conf: { ...bad, 'ssl.ca.location': join(dir, 'none.pem') } }).problems[0]?.message ?? '',
    /cannot be read/,
  )
  const incomplete = read({ conf: { ...BROKERS, 'security.protocol': 'sasl_plaintext' } })
  assert.deepEqual(
    incomplete.problems.map(({ path, message }) => `${path} ${message}`),
    ['sasl.mechanisms', 'sasl.username', 'sasl.password'].map(
      name => `kafka.conf['${name}'] is missing, and security.protocol needs it`,
    ),
  )
})

test('a directory of authorities is read whole, without other files', t => {
  const dir = temporary(t)
  const authorities = ['a.pem', 'b.crt'].map(name => {
    const { ca } = testAuthority()
    writeFileSync(join(dir, name), ca)
    return ca
  })
  writeFileSync(join(dir, 'README'), 'not a certificate')
  const { settings } = read({ conf: { ...BROKERS, 'security.protocol': 'ssl', 'ssl.ca.location': dir } })
  assert.deepEqual(
    settings?.guaranteed.cluster.ssl?.ca,
    authorities.map(ca => Buffer.from(ca)),
  )
  assert.equal(settings?.guaranteed.cluster.sasl, undefined)
})
