import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { findingsIn, proseFiles, WORDS } from '../support/prose.js'
import { ROOT } from '../support/service.js'

const wrong = (file: string, text: string) =>
  (findingsIn(file, text) ?? []).map(({ line, what }) => `${line} ${what.replace(/ \(.*/, '')}`)
const words = (count: number) => `${'Word '.repeat(count - 1).trim()} end`
const LONG = `${words(WORDS + 1)}.`
const TOO_LONG = `a sentence of ${WORDS + 1} words`

test('the prose of all files is clean', () => {
  const files = proseFiles()
  assert.ok(files.length > 300)
  const found = files.flatMap(file =>
    (findingsIn(file, readFileSync(join(ROOT, file), 'utf8')) ?? []).map(
      ({ line, what }) => `${file}:${line}: ${what}`,
    ),
  )
  assert.deepEqual(found, [])
})

test('each forbidden word is found, in any case and across lines', () => {
  for (const word of [
    ...['in vain', 'is none', 'mend', 'mends', 'mended', 'mending', 'shall', 'has got', 'had got'],
    ...['of ours', 'but for', 'whoever', 'such a one', 'In Vain', 'WHOEVER'],
  ])
    assert.deepEqual(wrong('docs/x.md', `# Title\n\nThis ${word} here.\n`), [`3 "${word}"`], word)
  assert.deepEqual(wrong('docs/x.md', 'It waits in\nvain.'), ['1 "in vain"'])
  assert.deepEqual(wrong('src/x.ts', '/**\n * It waits in\n * vain.\n */\n'), ['2 "in vain"'])
  assert.deepEqual(wrong('src/x.ts', '// It waits in\n// vain.\n'), ['1 "in vain"'])
})

test('words that only look like forbidden ones are left alone', () => {
  for (const text of [
    'We recommend the shallow copy, an amendment and marshalling.',
    'The vein is in vainglory; it has gotten hours of oursin.',
    'It is nonexistent, and such a one-off is fine.',
    'It is kept not for speed but for safety.',
    'Errors are `shall` and `in vain`, and ``is ` none``.',
    'The standard says "the server shall answer", “in vain”.',
    'See [the page](whoever.md) and https://example.org/shall/mend.',
    'Call error.mended.text or src/lib/mend.ts.',
    '<a title="shall">link</a> <!-- whoever -->',
  ])
    assert.deepEqual(wrong('docs/x.md', text), [], text)
})

test('a sentence may have 25 words, in any paragraph', () => {
  for (const text of [
    words(WORDS),
    `${words(WORDS)}. ${words(WORDS)}.`,
    `- ${words(WORDS)}\n- ${words(WORDS)}`,
  ])
    assert.deepEqual(wrong('docs/x.md', text), [], text)
  assert.deepEqual(wrong('docs/x.md', `First.\n\n${LONG}`), [`3 ${TOO_LONG}`])
  assert.deepEqual(wrong('docs/x.md', `${words(20)}\n${words(6)}.`), [`1 ${TOO_LONG}`])
  assert.deepEqual(wrong('docs/x.md', `Short, e.g. this. ${LONG}`), [`1 ${TOO_LONG}`])
  assert.deepEqual(wrong('docs/x.md', `${words(13)}, e.g. ${words(13)}.`), ['1 a sentence of 27 words'])
  assert.deepEqual(wrong('docs/x.md', `1. ${LONG}\n   - ${LONG}`), [`1 ${TOO_LONG}`, `2 ${TOO_LONG}`])
})

test('code, quotations and addresses count as one word', () => {
  const one = ['`a b c d e f`', '"a b c d e f"', '[x](a/b)', 'https://example.org/a', 'a.b/c']
  for (const text of one) assert.deepEqual(wrong('docs/x.md', `${words(WORDS - 1)} ${text}.`), [], text)
  for (const text of one)
    assert.deepEqual(wrong('docs/x.md', `${words(WORDS)} ${text}.`), [`1 ${TOO_LONG}`], text)
})

test('tables and headings may be long, and have no forbidden words; blocks of code are not read', () => {
  assert.deepEqual(wrong('docs/x.md', `# ${LONG}\n\n| a | b |\n|---|---|\n| ${LONG} | \`shall\` |\n`), [])
  assert.deepEqual(wrong('docs/x.md', '| a | b |\n|---|---|\n| it shall | be |\n'), ['3 "shall"'])
  assert.deepEqual(wrong('docs/x.md', '```sh\nshall\n```\nIt shall.\n'), ['4 "shall"'])
  assert.deepEqual(wrong('docs/x.md', '1. So:\n\n   ```yaml\n   # shall\n   ```\n\n   It shall.\n'), [
    '7 "shall"',
  ])
  assert.deepEqual(wrong('docs/x.md', '> # a quoted file shall\n'), [])
})

test('past entries of the changelog and the licence are left alone', () => {
  const text = '# Changelog\n\n## 2.0.0\n\nIt shall.\n\n## 1.0.0\n\nIt shall.\n\n## 0.9.0\n\nIt shall.\n'
  assert.deepEqual(wrong('CHANGELOG.md', text), ['5 "shall"'])
  assert.ok(!proseFiles().includes('LICENSE'))
})

test('of TypeScript and JavaScript comments are read, and literals of three words', () => {
  assert.deepEqual(wrong('src/x.ts', 'const a = 1 // it shall\n'), ['1 "shall"'])
  assert.deepEqual(wrong('src/x.js', '/* It shall. */\n'), ['1 "shall"'])
  assert.deepEqual(wrong('src/x.ts', `/**\n * ${words(20)}\n * ${words(6)}.\n */`), [`2 ${TOO_LONG}`])
  assert.deepEqual(wrong('src/x.ts', `/**\n * ${words(20)}\n *\n * ${words(6)}.\n */`), [])
  assert.deepEqual(wrong('src/x.ts', "fail('the event\\'s id shall be')"), ['1 "shall"'])
  assert.deepEqual(wrong('src/x.ts', `fail('${words(20)} ' +\n  '${words(6)}.')`), [`1 ${TOO_LONG}`])
  assert.deepEqual(wrong('src/x.ts', `fail(\`it \${shall + \`x shall y z\`} shall be\`)`), [
    '1 "shall"',
    '1 "shall"',
  ])
  assert.deepEqual(wrong('src/x.ts', `f(\`\${a ? { b: \`c\` } : d}\`, "it shall be") // mend`), [
    '1 "shall"',
    '1 "mend"',
  ])
})

test('code is no prose', () => {
  for (const text of [
    'const shall = mend(whoever)',
    "if (x === 'shall') mend()",
    'const shall = /it shall be mended/.test(a) // fine',
    'const rate = a / b / c // fine',
    "const url = 'http://shall' // see https://mend.example.org/shall",
    '/** @type {{ mended: shall }} */',
    '/** @param shall the `mend` */',
    `const query = 'sum by (a) (rate(b_total{c="d"}[5m])) ${'/ on (a) e_total{f=~"g.+"} '.repeat(12)}'`,
  ])
    assert.deepEqual(wrong('src/x.ts', text), [], text)
})

test('of tests the comments and the names are read, not other literals, which hold data', () => {
  assert.deepEqual(wrong('test/x.ts', "test('it shall be', () => {\n  await t.test('it shall', f)\n})"), [
    '1 "shall"',
  ])
  assert.deepEqual(wrong('test/x.ts', `  await t.test(\n    \`it shall \${x} y\`, f)`), ['2 "shall"'])
  assert.deepEqual(wrong('test/x.ts', "// it shall\nsend('it shall be')"), ['1 "shall"'])
})

test('of YAML comments and descriptions are read', () => {
  assert.deepEqual(wrong('helm/x.yaml', 'a: shall # it shall\n'), ['1 "shall"'])
  assert.deepEqual(wrong('helm/x.yaml', "a: 'it shall # it shall'\nb: x#shall\n"), [])
  assert.deepEqual(wrong('helm/x.yaml', `# ${words(20)}\n# ${words(6)}.\na: b\n# Other.\n`), [
    `1 ${TOO_LONG}`,
  ])
  assert.deepEqual(wrong('helm/x.yaml', "  summary: 'It shall {{ $x }}'\n"), ['1 "shall"'])
  assert.deepEqual(wrong('helm/x.yaml', 'description: |\n  It is\n  mended.\nname: shall\n'), ['3 "mended"'])
})

test('of scripts, styles, images and templates comments are read', () => {
  assert.deepEqual(wrong('x.sh', '#!/bin/shall shall\n# it shall\nshall\n'), ['2 "shall"'])
  assert.deepEqual(wrong('Dockerfile', 'RUN shall\n# it shall\n'), ['2 "shall"'])
  assert.deepEqual(wrong('x.css', '.shall { color: mend } /* it shall */\n'), ['1 "shall"'])
  assert.deepEqual(wrong('x.html', '<p class="shall">it shall</p>\n'), ['1 "shall"'])
  assert.deepEqual(wrong('x.tpl', '{{/* it shall */}}\n{{ fail "it shall be" }}\n'), [
    '1 "shall"',
    '2 "shall"',
  ])
  assert.deepEqual(findingsIn('x.png', ''), undefined)
})
