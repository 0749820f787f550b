import assert from 'node:assert/strict'
import { test } from 'node:test'
import Ajv6 from 'ajv6'
import fc from 'fast-check'
import { compile } from '#src/lib/schemas/compiler.js'
import { DocumentReader } from '#src/lib/schemas/document.js'
import { formats } from '#src/lib/schemas/formats.js'

/** Texts by format, and some that are near to it. */
const TEXTS: Record<string, string[]> = {
  date: ['2020-01-01', '2020-13-39', '2020-1-1', '2020-01-01T', '0000-00-00', '2020-01-01\n'],
  time: [
    '00:00:00',
    '29:59:59',
    '23:59:60',
    '22:59:60',
    '00:00:00.5',
    '00:00:00.',
    '00:00:00z',
    '00:00:00+1',
    '00:00:00+01',
    '00:00:00+0130',
    '00:00:00-01:30',
    '00:00:00 Z',
    '30:00:00',
    '00:60:00',
    '00:00:00Z\n',
  ],
  'date-time': [
    '2020-01-01 00:00:00Z',
    '2020-01-01T00:00:00Z',
    '2020-01-01t00:00:00.123456789z',
    '2020-01-01T00:00:00',
    '2020-01-01\t00:00:00+02',
    '2020-01-01\u00a000:00:00Z',
    '2020-13-01T00:00:00Z',
    '2020-19-39T29:59:59+99:99',
    '2020-20-01T00:00:00Z',
    '2020-01-01T23:59:60Z',
    '2020-01-01T00:00:00 Z',
    '2020-01-01_00:00:00Z',
    '20200101T000000Z',
    '2020-01-01T00:00:00Z\n',
  ],
  uri: [
    'https://example.org/a?b#c',
    'https://example.org/ä|{}',
    'a:',
    ':a',
    '//example.org',
    '/a',
    'a b:c',
    'mailto:x',
    'a:b c',
    'HTTP://X',
    '1a:b',
  ],
  'uri-reference': [
    '',
    '/a',
    'a|b',
    '{}',
    '/wiki/Ä',
    '#',
    '##',
    '#a#',
    'a b',
    '\\a',
    'a\\b',
    '#a\\b',
    '//x',
    'x:/y',
    '?a=[]',
    'a\u00a0b',
    'https://x/\n',
  ],
  'uri-template': [
    '',
    '/a/{b}',
    '/a/{b',
    '{?a,b*}',
    '{a:9999}',
    '{a:10000}',
    '/ä',
    'a b',
    '{}',
    '%zz',
    '%20',
    '{!a}',
  ],
  url: [
    'https://example.org',
    'http://10.0.0.1/',
    'http://127.0.0.1/',
    'http://8.8.8.8/x',
    'http://172.16.0.1',
    'http://192.168.0.1',
    'http://8.8.8.255',
    'ftp://a.bc:99/x',
    'http://a.b',
    'http://localhost',
    'https://user:pw@example.org/',
    'https://münchen.de/ä',
    'https://例え.テスト',
    'http://a-b.org',
    'http://a--b.org',
    'http://-a.org',
    'http://a.org:1',
    'http://a.org:123456',
    'http://a.org/ x',
    'HTTPS://EXAMPLE.ORG',
    'gopher://a.org',
    '//a.org',
    'http://a.org?q',
    'http://💩.org',
  ],
  email: ['a@b', 'a.b+c@d.org', '@b', 'a@', 'a@-b', 'a b@c', 'ä@b', 'a@b..c'],
  hostname: [
    'a',
    'a.b.',
    '-a',
    'a-',
    'a_b',
    'ä',
    'a'.repeat(63),
    'a'.repeat(64),
    `${'a.'.repeat(126)}a`,
    `${'a.'.repeat(127)}a`,
    '1.2.3.4',
  ],
  ipv4: [
    '1.2.3.4',
    '255.255.255.255',
    '256.1.1.1',
    '001.02.3.4',
    '0001.2.3.4',
    '299.1.1.1',
    '1.2.3',
    '1.2.3.4.5',
    ' 1.2.3.4',
    '1.2.3.4\n',
    '1..2.3',
    '+1.2.3.4',
    '1e1.2.3.4',
    '0x1.2.3.4',
  ],
  ipv6: [
    '::',
    '::1',
    '1::',
    '1:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '::ffff:1.2.3.4',
    '::ffff:1.2.3.04',
    '::ffff:256.2.3.4',
    '1:2:3:4:5:6:1.2.3.4',
    'fe80::1%eth0',
    'fe80::1%',
    ' ::1 ',
    '::1\n',
    '::1% ',
    '::1%a\nb',
    '::1%a \n',
    '::1%%',
    '12345::',
    'g::',
    '1::2::3',
    'FE80::ABCD',
    '::1/64',
  ],
  regex: ['a', '(', '[', 'a\\Z', '\\Z', '(?<a>b)', '(?<=a)b', '\\p{L}', '{', '*'],
  uuid: [
    '01234567-89ab-cdef-0123-456789abcdef',
    'urn:uuid:01234567-89AB-CDEF-0123-456789ABCDEF',
    '0123456789abcdef0123456789abcdef',
    '01234567-89ab-cdef-0123-456789abcdeg',
    'URN:UUID:01234567-89ab-cdef-0123-456789abcdef',
  ],
  'json-pointer': ['', '/', '/a~0~1', '/a~2', 'a', '/ä', '/a//b'],
  'json-pointer-uri-fragment': ['#', '#/', '#/a~0', '#/%20', '#/ä', '/a', '#a', '#/~2'],
  'relative-json-pointer': ['0', '0#', '1/a', '01', '0/~', '/a', '0##', '-1'],
}

const schemaOf = (format: string) => ({ properties: { v: { format, maxLength: 1000 } } })

function verdicts(format: string): { ours(text: string): boolean; theirs(text: string): boolean } {
  const reader = new DocumentReader({ allowInsecure: false })
  const schema = compile(reader.read('/f', JSON.stringify(schemaOf(format))), new Map())
  const validate = new Ajv6({ unknownFormats: 'ignore', logger: false }).compile(schemaOf(format))
  return {
    ours(text) {
      try {
        schema.validate({ v: text })
        return true
      } catch {
        return false
      }
    },
    theirs: text => validate({ v: text }) as boolean,
  }
}

for (const [format, texts] of Object.entries(TEXTS)) {
  test(`format ${format}: the verdict of Ajv 6`, () => {
    const { ours, theirs } = verdicts(format)
    const told = { accepted: 0, refused: 0 }
    const compare = (text: string) => {
      const verdict = theirs(text)
      told[verdict ? 'accepted' : 'refused']++
      assert.equal(ours(text), verdict, JSON.stringify(text))
    }
    for (const text of texts) compare(text)
    assert.ok(told.accepted > 0 && told.refused > 0, `both verdicts were seen: ${JSON.stringify(told)}`)

    // Texts made of the pieces of those above, and changes of one character to one of them.
    const alphabet = [...new Set(texts.join(''))]
      .filter(char => char !== ' ')
      .concat(' ', 'ä', '|', '{', '%', '0')
    const near = fc
      .tuple(fc.constantFrom(...texts), fc.nat(60), fc.nat(2), fc.constantFrom(...alphabet))
      .map(([text, at, cut, char]) => text.slice(0, at) + char + text.slice(at + cut))
      // Half a character is a letter for one regular expression and nothing for the other.
      .filter(text => !/\p{Surrogate}/u.test(text))
    const pieces = fc
      .array(fc.constantFrom(...alphabet, ...texts.flatMap(text => text.split(/(?<=[:./@-])/))), {
        maxLength: 6,
      })
      .map(all => all.join(''))
    fc.assert(
      fc.property(fc.oneof(near, pieces, fc.string({ unit: 'binary', maxLength: 12 })), text =>
        compare(text),
      ),
      { numRuns: 3000 },
    )
  })
}

test('formats that Ajv 6 has are all here, others are not checked', () => {
  const their = (new Ajv6() as unknown as { _formats: Record<string, unknown> })._formats
  assert.deepEqual(Object.keys(formats).sort(), Object.keys(their).sort())
  const { ours } = verdicts('duration')
  assert.ok(ours('no duration'))
})
