/** Which test holds which promise of a page: evidence.yaml says so, and docs/evidence.md is made of it. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { ROOT } from '../support/service.js'
import { hasTest } from '../support/test-names.js'

export const PAGE = join(ROOT, 'docs/evidence.md')
const SOURCE = join(ROOT, 'test/docs/evidence.yaml')

/** By page, by the heading of a section, by the promise: `file: name of a test`. */
type Evidence = Record<string, Record<string, Record<string, string[]>>>

export function evidence(): Evidence {
  return load(readFileSync(SOURCE, 'utf8')) as Evidence
}

/** The promises of one page, with the tests that hold them. */
export function evidenceOf(page: string): { promise: string; tests: string[] }[] {
  return Object.values(evidence()[page] ?? {}).flatMap(section =>
    Object.entries(section).map(([promise, tests]) => ({ promise, tests })),
  )
}

/** The tests that are named for a page's promises, and do not exist. */
export function missing(page: string): string[] {
  const named = evidenceOf(page).flatMap(({ tests }) => tests)
  return named.filter(test => {
    const [, file = '', name = ''] = /^([\w/-]+\.test\.ts): (.+)$/.exec(test) ?? []
    return !hasTest(file, name)
  })
}

/** Names the files that moved tests are in now. Two tests of one name, and renamed ones, are left to the author. */
export function followMoves(): void {
  const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  let text = readFileSync(SOURCE, 'utf8')
  for (const test of Object.keys(evidence()).flatMap(missing)) {
    const name = test.slice(test.indexOf(': ') + 2)
    const [file, ...others] = files.filter(file => file.endsWith('.test.ts') && hasTest(file, name))
    const quoted = (text: string) => text.replaceAll("'", "''")
    if (file !== undefined && others.length === 0)
      text = text.replaceAll(`'${quoted(test)}'`, `'${quoted(`${file}: ${name}`)}'`)
  }
  writeFileSync(SOURCE, text)
}

/** The sections of a page that have a table or a list, with the first cells and the items. */
export function promisesOf(page: string): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const section of readFileSync(join(ROOT, 'docs', page), 'utf8')
    .split(/^##+ /m)
    .slice(1)) {
    const cells = [...section.matchAll(/^\| (.+?) \|.*\n(?!\|-)/gm)].map(([, cell = '']) => cell)
    const items = [...section.matchAll(/^- (.+)$/gm)].map(([, item = '']) => item)
    const promises = [...cells, ...items]
    if (promises.length > 0) found.set(section.slice(0, section.indexOf('\n')), promises)
  }
  return found
}

const HEAD = `# Evidence

Each promise of [operations.md](operations.md), [SECURITY.md](SECURITY.md) and [compatibility.md](compatibility.md) is held by a test that runs. This page names the tests, in [test/](../test/). A name with \`\${…}\` stands for the tests that are made from a table.

\`npm run docs\` makes this page from [test/docs/evidence.yaml](../test/docs/evidence.yaml). Do not edit it by hand.
`

export function generated(): string {
  let page = HEAD
  for (const [name, sections] of Object.entries(evidence())) {
    page += `\n## ${name}\n`
    for (const [section, promises] of Object.entries(sections)) {
      page += `\n### ${section}\n\n| promise | tests |\n|---|---|\n`
      for (const [promise, tests] of Object.entries(promises))
        page += `| ${promise} | ${tests.map(test => `\`${test}\``).join('<br>')} |\n`
    }
  }
  return page
}
