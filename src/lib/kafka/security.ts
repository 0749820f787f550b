import { X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type ConnectionOptions, createSecureContext } from 'node:tls'
import type { Sasl } from './kafkajs.js'
import type { PropertyOf } from './properties.js'
import type { PropertyValues } from './property-reader.js'

/** Node.js switches TLS 1.3 off if a list of ciphers has none of its ciphers. OpenSSL and librdkafka do not. */
const TLS13_CIPHERS = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256'

export function readSasl(values: PropertyValues): Sasl | undefined {
  if (!values.text('security.protocol')?.startsWith('sasl')) return undefined
  const required = (name: PropertyOf<'text' | 'choice'>) => {
    const value = values.text(name)
    if (value === undefined) values.missing(name, ', and security.protocol needs it')
    return value
  }
  const mechanism = required('sasl.mechanisms')?.toLowerCase()
  return { mechanism, username: required('sasl.username'), password: required('sasl.password') } as Sasl
}

export function readSsl(values: PropertyValues): ConnectionOptions | undefined {
  if (!values.text('security.protocol')?.endsWith('ssl')) return undefined
  const ciphers = values.text('ssl.cipher.suites')
  const all: ConnectionOptions = {
    ca: readCertificates(values, 'ssl.ca.location') ?? values.text('ssl.ca.pem'),
    crl: readFiles(values, 'ssl.crl.location'),
    cert: readCertificates(values, 'ssl.certificate.location') ?? values.text('ssl.certificate.pem'),
    key: readFiles(values, 'ssl.key.location') ?? values.text('ssl.key.pem'),
    pfx: readFiles(values, 'ssl.keystore.location'),
    passphrase: values.text('ssl.key.password') ?? values.text('ssl.keystore.password'),
    ciphers: ciphers && `${TLS13_CIPHERS}:${ciphers}`,
    ecdhCurve: values.text('ssl.curves.list'),
    sigalgs: values.text('ssl.sigalgs.list'),
  }
  const options: ConnectionOptions = Object.fromEntries(
    Object.entries(all).filter(([, value]) => value !== undefined),
  )
  try {
    createSecureContext(options)
  } catch (error) {
    values.problem('security.protocol', `does not work with the ssl properties: ${(error as Error).message}`)
  }
  options.rejectUnauthorized = values.flag('enable.ssl.certificate.verification')
  if (values.text('ssl.endpoint.identification.algorithm') === 'none')
    options.checkServerIdentity = () => undefined
  return options
}

/** The content of a file, or of all certificates in a directory. */
function readFiles(values: PropertyValues, name: PropertyOf<'text'>): Buffer[] | undefined {
  const path = values.text(name)
  if (path === undefined) return undefined
  try {
    if (!statSync(path).isDirectory()) return [readFileSync(path)]
    const files = readdirSync(path).filter(file => /\.(pem|crt|cer|0)$/.test(file))
    return files.map(file => readFileSync(join(path, file)))
  } catch (error) {
    values.problem(name, `cannot be read: ${(error as Error).message}`)
    return undefined
  }
}

/** Node.js ignores a file that is not a certificate, and then trusts nobody. */
function readCertificates(values: PropertyValues, name: PropertyOf<'text'>): Buffer[] | undefined {
  const files = readFiles(values, name)
  for (const file of files ?? []) {
    try {
      new X509Certificate(file)
    } catch (error) {
      values.problem(name, `is not a certificate: ${(error as Error).message}`)
    }
  }
  return files
}
