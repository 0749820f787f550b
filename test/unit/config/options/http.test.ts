import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConf } from '#src/lib/config/config.js'
import { assertRefused, problemsIn, type WrongOption } from '../../../support/config.js'

test('an origin that browsers never send is refused, with what is meant', () => {
  assertRefused([
    ...[
      ['https://a.example/', 'did you mean "https://a.example"?'],
      ['https://a.example/path?x', 'did you mean "https://a.example"?'],
      ['https://A.example', 'did you mean "https://a.example"?'],
      ['https://a.example:443', 'did you mean "https://a.example"?'],
      ['https://user@a.example', 'did you mean "https://a.example"?'],
      ['a.example', 'not "a.example"'],
      ['https://*.example', 'not "https://*.example"'],
      ['https://a.example, https://b.example', 'not "https://a.example, https://b.example"'],
      ['no', 'did you mean false?'],
    ].map(
      ([cors = '', message = '']): WrongOption => [
        { cors },
        'cors',
        new RegExp(message.replace(/[.*+?/]/g, '\\$&')),
      ],
    ),
    [{ cors: ['https://a.example', '*'] }, 'cors[1]', /stands alone/],
    [{ cors: ['https://a.example/'] }, 'cors[0]', /did you mean "https:\/\/a\.example"/],
  ])
  assert.deepEqual(
    problemsIn({ cors: ['a', 'https://b.example', 'c'] }).map(({ path }) => path),
    ['services[0].conf.cors[0]', 'services[0].conf.cors[2]'],
  )
})

test('an origin that browsers send is accepted', () => {
  const origins = [
    'null',
    'http://localhost:3000',
    'https://[::1]:8443',
    'moz-extension://0a-1b',
    'capacitor://localhost',
  ]
  for (const cors of [origins, ...origins, '*', false]) {
    assert.deepEqual(problemsIn({ cors }), [])
    assert.deepEqual(readConf({ cors }).cors, cors)
  }
})

test('proxies are parsed once, and one that cannot be is named', () => {
  assertRefused([
    [
      { trusted_proxies: ['10.0.0.0/8', 'proxy.example', '10.0.0.0/33'] },
      'trusted_proxies',
      /"proxy\.example" is neither an address nor a network/,
    ],
    [{ trusted_proxies: '10.0.0.0/8' }, 'trusted_proxies', /must be a list/],
  ])
  const clientOf = (trusted_proxies?: string[]) =>
    readConf(trusted_proxies ? { trusted_proxies } : {}).trusted_proxies.of({
      headers: { 'x-client-ip': '198.51.100.7' },
      socket: { remoteAddress: '10.1.2.3' } as never,
    })
  assert.equal(clientOf(), '198.51.100.7')
  assert.equal(clientOf([]), '10.1.2.3')
  assert.equal(clientOf(['10.1.0.0/16']), '198.51.100.7')
})
