/**
 * A certificate authority for tests: a handful of bytes of DER. TLS tests need neither openssl nor a certificate in the
 * repository (which would expire).
 */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

/** A private key and its certificate, both as PEM. */
export interface Credential {
  key: string
  cert: string
}

export interface TestAuthority {
  /** The authority's own certificate as PEM: what a client is to trust (`ssl.ca.location`). */
  ca: string
  /** Makes a key and a certificate signed by the authority, for `localhost` and `127.0.0.1`. */
  issue(commonName: string): Credential
}

/** One DER element: tag, length, content. */
function der(tag: number, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content)
  const n = body.length
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}

const sequence = (...content: Buffer[]) => der(0x30, ...content)
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const TRUE = der(0x01, Buffer.from([0xff]))

const ECDSA_WITH_SHA256 = sequence(oid('2a8648ce3d040302'))
const COMMON_NAME = '550403'
const SUBJECT_ALT_NAME = '551d11'
const BASIC_CONSTRAINTS = '551d13'
const KEY_USAGE = '551d0f'

function name(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid(COMMON_NAME), der(0x0c, Buffer.from(commonName)))))
}

/** UTCTime, good until 2049. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14)
  return der(0x17, Buffer.from(`${digits}Z`))
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

function certificate(
  subject: string,
  key: KeyObject,
  issuer: string,
  issuerKey: KeyObject,
  isCa: boolean,
): string {
  const serial = randomBytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40 // positive, and no leading zero byte: DER's shortest form
  const names = sequence(
    der(0x82, Buffer.from('localhost')),
    der(0x87, Buffer.from([127, 0, 0, 1])), // an address, not its text: clients compare bytes
  )
  const extensions = isCa
    ? [
        sequence(oid(BASIC_CONSTRAINTS), TRUE, der(0x04, sequence(TRUE))),
        sequence(oid(KEY_USAGE), TRUE, der(0x04, der(0x03, Buffer.from([1, 0x06])))), // keyCertSign, cRLSign
      ]
    : [sequence(oid(SUBJECT_ALT_NAME), der(0x04, names))]
  const now = Date.now()
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3, which extensions need
    der(0x02, serial),
    ECDSA_WITH_SHA256,
    name(issuer),
    sequence(time(now - 3_600_000), time(now + 24 * 3_600_000)),
    name(subject),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  )
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, issuerKey))
  return pem('CERTIFICATE', sequence(body, ECDSA_WITH_SHA256, signature))
}

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

/** A new authority, valid for a day. */
export function testAuthority(commonName = 'eventgate test authority'): TestAuthority {
  const caKey = newKey()
  return {
    ca: certificate(commonName, caKey, commonName, caKey, true),
    issue(subject) {
      const key = newKey()
      return {
        key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
        cert: certificate(subject, key, commonName, caKey, false),
      }
    },
  }
}
