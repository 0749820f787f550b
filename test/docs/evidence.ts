/** Which test holds which promise of a page: evidence.yaml says so, and docs/evidence.md is made of it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { ROOT } from '../support/service.js'
import { hasTest } from '../support/test-names.js'

export const PAGE = join(ROOT, 'docs/evidence.md')

/** By page, by the heading of a section, by the promise: `file: name of a test`. */
type Evidence = Record<string, Record<string, Record<string, string[]>>>

export function evidence(): Evidence {
  return load(readFileSync(join(ROOT, 'test/docs/evidence.yaml'), 'utf8')) as Evidence
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
