/** The places that architecture.md and CONTRIBUTING.md name are there. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../support/service.js'

const architecture = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8')
const contributing = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8')

/** Where a path of a page may begin. */
const BASES = ['', 'src', 'src/lib', 'src/lib/kafka', 'test/unit']

function find(path: string): string | undefined {
  return BASES.map(base => join(ROOT, base, path)).find(existsSync)
}

function assertPlace(path: string, name?: string): void {
  const found = find(path)
  assert.ok(found, `${path} is not there`)
  if (name === undefined) return
  const words = new RegExp(`(?<![\\w$])${name.replace('#', '\\#')}\\b`)
  assert.match(readFileSync(found, 'utf8'), words, `${path} has no ${name}`)
}

test('the files and functions on the way of an event are there, and called so', () => {
  const [, diagram = ''] = /^## The way of an event\n\n```text\n(.*?)^```$/ms.exec(architecture) ?? []
  const places = [...diagram.matchAll(/([\w/-]+\.ts)\s+(#?\w+)\(\)/g)]
  assert.ok(places.length > 10)
  for (const [, path = '', name = ''] of places) assertPlace(path, name)
})

test('the folders that architecture.md describes are those that there are', () => {
  const [, tree = ''] = /^## Where things are\n\n```text\nsrc\/\n(.*?)^```$/ms.exec(architecture) ?? []
  const named = [...tree.matchAll(/^( +)([\w./-]+)(?: {2}([\w/]+\/))?/gm)].flatMap(
    ([, indent = '', ...paths]) =>
      paths.filter(path => path !== undefined).map(path => (indent.length > 2 ? `lib/${path}` : path)),
  )
  assert.ok(named.length > 20)
  for (const path of named) assert.ok(existsSync(join(ROOT, 'src', path)), `src/${path} is not there`)
})

test('the files, and what is named in them, are there', () => {
  for (const page of [architecture, contributing]) {
    const places = [...page.matchAll(/`([\w./-]+(?:\/|\.(?:ts|js|yaml|md|json)))(?:: (#?\w+))?`/g)]
    assert.ok(places.length > 10)
    for (const [, path = '', name] of places) assertPlace(path, name)
  }
})
