import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import fc from 'fast-check'
import { readText, readYaml } from '#src/lib/yaml.js'

const BOUNDS = { maxValues: 1000, maxDepth: 50 }
const read = (text: string) => readText(text, BOUNDS).value
const ofA = (map: unknown) => (map as { a: unknown }).a
const notesOf = (text: string) =>
  readText(text, BOUNDS).notes.map(({ path, message }) => `${path} ${message}`)

/** js-yaml 3, with which the original reads: service-runner brings it along. */
const require = createRequire(createRequire(import.meta.url).resolve('service-runner'))
const original: { load(text: string): unknown } = require('js-yaml')

test('the version to compare with is 3', () => {
  assert.match(require('js-yaml/package.json').version, /^3\./)
})

test('merge keys are merged as the original merges them, and keys keep its order', () => {
  const merged: [text: string, value: unknown][] = [
    ['a: &a {x: 1, y: 2}\nb: {<<: *a, z: 3}', { a: { x: 1, y: 2 }, b: { x: 1, y: 2, z: 3 } }],
    // Its own keys win, before and after.
    ['a: &a {x: 1}\nb: {x: 9, <<: *a}\nc: {<<: *a, x: 8}', { a: { x: 1 }, b: { x: 9 }, c: { x: 8 } }],
    // Of a list the earlier wins.
    [
      'a: &a {x: 1}\nb: &b {x: 2, y: 3}\nc: {<<: [*a, *b]}',
      { a: { x: 1 }, b: { x: 2, y: 3 }, c: { x: 1, y: 3 } },
    ],
    // Through several levels, and what was overridden on the way.
    [
      'a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b, z: 3}',
      { a: { x: 1, y: 1 }, b: { x: 1, y: 2 }, c: { x: 1, y: 2, z: 3 } },
    ],
    ['<<: {a: 1, b: 2}\nb: 3', { a: 1, b: 3 }],
    ['b: {<<: [{a: 1}, {b: 2}], <<: {c: 3}}', { b: { a: 1, b: 2, c: 3 } }],
    ['b: {<<: []}', { b: {} }],
    ['a: &a {1: x}\nb: {<<: *a, 1: y}', { a: { 1: 'x' }, b: { 1: 'y' } }],
    // In quotes it is a name like any other.
    ['a: &a {x: 1}\nb: {"<<": *a}', { a: { x: 1 }, b: { '<<': { x: 1 } } }],
    ['{"b": {"<<": {"x": 1}}}', { b: { '<<': { x: 1 } } }],
  ]
  for (const [text, value] of merged) {
    assert.equal(JSON.stringify(read(text)), JSON.stringify(value), text)
    assert.equal(JSON.stringify(original.load(text)), JSON.stringify(value), `the original: ${text}`)
  }
  for (const text of ['b: {<<: 5}', 'b: {<<: }', 'b: {<<: [5]}', 'a: &a [1]\nb: {<<: *a}', '<<: text'])
    assert.throws(() => read(text), /<< cannot be merged|\['<<'\] cannot be merged/, text)
})

test('any merge keys: the same value and order as the original', () => {
  const name = fc.constantFrom('p', 'q', 'r', '<<')
  const pair = fc.tuple(name, fc.integer({ min: 0, max: 9 }))
  const mappings = fc.array(fc.array(pair, { maxLength: 5 }), { minLength: 1, maxLength: 6 })
  const verdict = (load: () => unknown) => {
    try {
      return JSON.stringify(load())
    } catch {
      return 'refused'
    }
  }
  fc.assert(
    fc.property(mappings, mappings => {
      const lines = mappings.map((pairs, i) => {
        const written = pairs.map(([key, n]) => {
          if (key !== '<<') return `${key}: ${n}`
          if (i === 0) return `<<: {p: ${n}}`
          return n % 2 ? `<<: *m${n % i}` : `<<: [*m${n % i}, {q: ${n}}, *m${(n + 1) % i}]`
        })
        return `m${i}: &m${i} {${written.join(', ')}}`
      })
      const text = lines.join('\n')
      assert.equal(
        verdict(() => read(text)),
        verdict(() => original.load(text)),
        text,
      )
    }),
    { numRuns: 500 },
  )
})

test('numbers are those of the original; where others read them otherwise it is said, with the key', () => {
  const numbers: [text: string, value: unknown, other: string][] = [
    ['1_000', 1000, '"1_000" in YAML 1.2'],
    ['0100', 64, '100 in YAML 1.2'],
    ['-0100', -64, '-100 in YAML 1.2'],
    ['0b11', 3, '"0b11" in YAML 1.2'],
    ['12:30:45', 45_045, '"12:30:45" in YAML 1.2'],
    ['1:30', 90, '"1:30" in YAML 1.2'],
    ['190:20:30.15', 685_230.15, '"190:20:30.15" in YAML 1.2'],
    ['-0x10', -16, '"-0x10" in YAML 1.2'],
    ['1_0.5', 10.5, '"1_0.5" in YAML 1.2'],
    ['0o17', '0o17', '15 in YAML 1.2'],
    ['089', '089', '89 in YAML 1.2'],
    ['01.5', '01.5', '1.5 in YAML 1.2'],
    ['1e400', Number.POSITIVE_INFINITY, '"1e400" in YAML 1.2'],
  ]
  for (const [text, value, other] of numbers) {
    const as = typeof value === 'number' ? `the number ${value}` : 'a text'
    assert.deepEqual(read(`a: {b: [${text}]}`), { a: { b: [value] } }, text)
    assert.deepEqual(original.load(`a: {b: [${text}]}`), { a: { b: [value] } }, `the original: ${text}`)
    assert.deepEqual(notesOf(`a: {b: [${text}]}`), [
      `a.b[0] is "${text}", read as ${as}, and as ${other}: write it so that all readers agree`,
    ])
    assert.deepEqual(notesOf(`a: "${text}"`), [], 'in quotes nobody reads it otherwise')
  }
  // What the original takes for texts, and everybody else for numbers.
  assert.deepEqual(read('[-.5, +.5]'), [-0.5, 0.5])
  for (const text of [
    '5',
    '-5',
    '+5',
    '0',
    '1.5',
    '1e3',
    '1.e3',
    '.5',
    '0x1F',
    '.inf',
    '-.INF',
    '9007199254740993',
  ]) {
    assert.deepEqual(read(`a: ${text}`), original.load(`a: ${text}`), text)
    assert.deepEqual(notesOf(`a: ${text}`), [], text)
  }
})

test('dates and words are texts, and that others read them otherwise is said', () => {
  for (const word of ['yes', 'No', 'ON', 'off']) {
    assert.deepEqual(read(`a: ${word}`), { a: word })
    assert.deepEqual(original.load(`a: ${word}`), { a: word })
    assert.match(notesOf(`a: ${word}`).join(), /^a is ".*", read as a text, and as (true|false) in YAML 1\.1/)
    assert.deepEqual(notesOf(`${word}: 1`), [], 'a name is a name')
  }
  for (const date of ['2020-01-01', '2020-01-01T00:00:00Z', '2001-12-14 21:59:43.10 -5']) {
    assert.deepEqual(read(`a: ${date}`), { a: date })
    assert.match(notesOf(`a: ${date}`).join(), /^a is ".*", read as a text, and as a date in YAML 1\.1/)
  }
})

test('any plain text: the same value as the original, except for dates and numbers that begin with a sign and a dot', () => {
  const scalar = fc
    .string({
      unit: fc.constantFrom(...'0123456789', ...'0011..__::--++eExXbBoOaf'),
      minLength: 1,
      maxLength: 9,
    })
    .filter(text => !/^\d{4}-\d\d?-\d|^[-+]\.\d|^-$|:$/.test(text))
  fc.assert(
    fc.property(scalar, text => {
      // A zero has no sign in JSON.
      assert.equal(String(ofA(read(`a: ${text}`))), String(ofA(original.load(`a: ${text}`))), text)
      assert.equal(typeof ofA(read(`a: ${text}`)), typeof ofA(original.load(`a: ${text}`)), text)
    }),
    { numRuns: 5000 },
  )
})

test('JSON and YAML are told apart by content: flow style, a byte order mark, JSON', () => {
  const mark = '\ufeff'
  for (const text of [
    '{"a": [1, "x"]}',
    '{a: [1, x]}',
    "{'a': [1, x],}",
    'a:\n  - 1\n  - x',
    '\n {"a":\n[1,"x"]}',
  ])
    for (const start of ['', mark]) assert.deepEqual(read(start + text), { a: [1, 'x'] }, start + text)
  assert.deepEqual(read(`${mark}[1]`), [1])
  assert.deepEqual(read(`${mark}<<: {a: 1}`), { a: 1 })
  assert.deepEqual(read(`${mark}a: 5\nb:\n  - x\n  - y\n`), { a: 5, b: ['x', 'y'] })
  assert.deepEqual(read(`${mark}- a: 1\n  b: 2\n`), [{ a: 1, b: 2 }])
})

test('JSON with comments is refused as that, wherever they stand', () => {
  for (const text of [
    '// what it is\n{"a": 1}',
    '/* what it is */ {"a": 1}',
    '{ // what it is\n "a": 1 }',
    '{"a": 1 // one\n}',
    '{"a": 1, /* one */ "b": 2}',
    '{"a": [1, // one\n 2,],}',
    '{ /* what\n it is */ "a": 1 }',
    "{ // what it is\n 'a': 1 }",
  ])
    assert.throws(() => read(text), /JSON with comments, which JSON does not have: take them out/, text)
  // No comments: within a text, and in YAML's own form.
  assert.deepEqual(read('{"a": "http://x/ /* y */"}'), { a: 'http://x/ /* y */' })
  assert.deepEqual(read('{a: http://x/y} # z'), { a: 'http://x/y' })
  assert.deepEqual(read('/^x/: {a: 1}'), { '/^x/': { a: 1 } })
})

test('a key with a colon and no value is said: a space is missing', () => {
  assert.deepEqual(notesOf('a: {type:object}'), [
    "a['type:object'] has no value: is a space missing after its colon?",
  ])
  assert.deepEqual(notesOf('a: {"type:object": }\nb:\n'), [])
})

test('what cannot be read says in one line why', () => {
  const wrong: [text: string, reason: RegExp][] = [
    ['', /holds 0 documents/],
    ['# nothing', /holds 0 documents/],
    ['a: 1\n---\nb: 2', /holds 2 documents/],
    [Buffer.from('\ufeffa: 1', 'utf16le').toString(), /^it is not UTF-8/],
    [Buffer.from('{"a": 1}', 'utf16le').toString(), /^it is not UTF-8/],
    ['{<<: {x: 1, x: 2}}', /has the key "x" twice/],
    ['a: [', /\(\d+:\d+\)$/],
    ['{"a": 1', /^it is neither JSON \(.*\) nor YAML \(.*\)$/],
    ['a: 1\na: 2', /^the document has the key "a" twice$/],
    ['b: {c: {1: a, "1": b}}', /^b\.c has the key "1" twice$/],
    ['a: *none', /^a is the alias "none", and no such anchor comes before it$/],
    ['a: *b\nb: &b 1', /^a is the alias "b"/],
    ['a: &a [*a]', /^a\[0\] is part of itself$/],
    ['&a\na: *a', /^a is part of itself$/],
    ['a: &a {<<: *a}', /^a is part of itself$/],
    ['a: !!binary aGVsbG8=', /^a has the tag "!!binary"/],
    ['a: !!set {x, y}', /^a has the tag "!!set"/],
    ['a: !!js/function x', /^a has the tag/],
    ['a: !!int text', /^a is "text", which is not a !!int$/],
    ['a: {? [1] : x}', /^a has a key that is not a text$/],
  ]
  for (const [text, reason] of wrong) {
    assert.throws(
      () => read(text),
      (error: Error) => {
        assert.match(error.message, reason, text)
        assert.doesNotMatch(error.message, /\n/)
        return true
      },
    )
  }
})

test('tags that JSON has a value for are taken', () => {
  assert.deepEqual(
    read('[!!str 5, !!int "5", !!float 5, !!bool true, !!null "", ! 5, !!map {a: 1}, !!seq [1]]'),
    [...['5', 5, 5, true, null, '5', { a: 1 }, [1]]],
  )
})

test('an alias means the nearest anchor before it, also in what another alias stands for', () => {
  const text = 'a: &x 1\nb: &y [*x]\nc: &x 2\nd: [*y, *x]'
  assert.deepEqual(read(text), { a: 1, b: [1], c: 2, d: [[1], 2] })
  assert.deepEqual(original.load(text), read(text))
})

test('__proto__ is a key', () => {
  for (const text of ['{"__proto__": {"a": 1}}', '__proto__: {a: 1}', 'x: &x {a: 1}\n__proto__: {<<: *x}']) {
    const value = read(text) as object
    assert.ok(Object.hasOwn(value, '__proto__'), text)
    assert.equal((value as { a?: unknown }).a, undefined)
  }
})

test('little text that stands for very much is refused at once', { timeout: 20_000 }, () => {
  const doubled = (line: (i: number) => string) =>
    `a0: &a0 {x: 1}\n${Array.from({ length: 40 }, (_, i) => line(i)).join('\n')}`
  const laughs = [
    doubled(i => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`),
    doubled(i => `a${i + 1}: &a${i + 1} {<<: [*a${i}, *a${i}]}`),
    doubled(i => `a${i + 1}: &a${i + 1} {y: *a${i}, <<: *a${i}}`),
    `a: [${'1,'.repeat(2000)}]`,
    `{"a": [${'1,'.repeat(2000)}1]}`,
  ]
  for (const text of laughs) assert.throws(() => read(text), /more than 1000 values/)
  assert.throws(() => read('['.repeat(60) + ']'.repeat(60)), /deeper than 50|maxDepth/)
  assert.throws(() => read(`${'a: &b {c: '.repeat(1)}${'['.repeat(60)}${']'.repeat(60)}}`), /deeper|maxDepth/)
})

test('what is quoted of a document, and how much is said of it, is bounded', () => {
  const many = readYaml(Array.from({ length: 100 }, (_, i) => `a${i}: 1_000`).join('\n'), BOUNDS)
  assert.equal(many.notes.length, 20)
  const long = readYaml(`${'k'.repeat(900)}: 1_${'0'.repeat(900)}`, BOUNDS).notes[0]
  assert.ok(long && long.path.length <= 200 && long.message.length < 400, JSON.stringify(long))
})
