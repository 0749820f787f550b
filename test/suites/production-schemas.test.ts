/** Production's schemas, where they are beside the checkout, through the commands of `eventgate`. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { load } from 'js-yaml'
import { eventgate } from '../support/cli.js'
import { NOT_REAL, temporary, WIKIMEDIA } from '../support/service.js'
import { compile, types } from '../support/types.js'

type Members = Record<string, unknown>

const corpus = join(WIKIMEDIA, 'schemas-event-primary')

test('production’s schemas compile, their examples are assignable, and changed ones are not', {
  skip: NOT_REAL,
}, t => {
  const folder = temporary(t)
  assert.equal(types(folder, '-o', 'events.d.ts', corpus).status, 0)
  const files = readdirSync(corpus, { recursive: true, encoding: 'utf8' }).filter(file =>
    /\/\d+\.\d+\.\d+\.yaml$/.test(file),
  )
  const lines: string[] = []
  let mutants = 0
  for (const file of files.sort()) {
    const document = load(readFileSync(join(corpus, file), 'utf8')) as Members
    const [, title = '', version = ''] = /^(.*)\/([^/]+)\.yaml$/.exec(file) ?? []
    const name = `${title
      .split(/[^A-Za-z0-9]+/)
      .map(word => (word[0] as string).toUpperCase() + word.slice(1))
      .join('')}_${version.replaceAll('.', '_')}`
    for (const example of (document.examples ?? []) as Members[]) {
      lines.push(`export const e${lines.length}: T.${name} = ${JSON.stringify(example)}`)
      for (const mutant of mutantsOf(document, example)) {
        mutants++
        lines.push(
          '// @ts-expect-error',
          `export const m${lines.length}: T.${name} = ${JSON.stringify(mutant)}`,
        )
      }
    }
  }
  assert.ok(files.length >= 83 && mutants >= 100, `${mutants} mutants`)
  assert.equal(compile(folder, `import type * as T from './events.js'\n${lines.join('\n')}\n`), '')
})

/** Examples with one thing wrong: a type, a required field, an enum, a field of a closed object. */
function mutantsOf(schema: Members, example: Members): Members[] {
  const mutants: Members[] = []
  const properties = (schema.properties ?? {}) as Record<string, Members>
  const required = (schema.required ?? []) as string[]
  const [first] = required.filter(name => name in example)
  if (first !== undefined) {
    const { [first]: _, ...rest } = example
    mutants.push(rest)
  }
  if (schema.additionalProperties === false) mutants.push({ ...example, no_such_field: 1 })
  const named = Object.entries(properties).filter(([name]) => name in example)
  const texts = named.find(([, rules]) => rules.type === 'string')
  if (texts) mutants.push({ ...example, [texts[0]]: 1 })
  const listed = named.find(([, rules]) => Array.isArray(rules.enum))
  if (listed) mutants.push({ ...example, [listed[0]]: 'no such value' })
  return mutants
}

test('production’s schemas: a verdict for each new version', { skip: NOT_REAL }, () => {
  const { results } = JSON.parse(eventgate(['check', corpus, '--json']).stdout)
  const told = results.filter(({ verdict }: { verdict: string }) => verdict !== 'cannot_tell')
  assert.ok(results.length >= 30)
  assert.ok(told.length / results.length >= 0.99, `${told.length} of ${results.length}`)
})
