/** The official test suite of JSON Schema, where it lies beside the checkout. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import Ajv6 from 'ajv6'
import { GateError } from '#src/lib/errors.js'
import type { Event, Schema } from '#src/lib/eventgate.js'
import { compile as compileDocument } from '#src/lib/schemas/compiler.js'
import { type Document, DocumentReader } from '#src/lib/schemas/document.js'
import { JSON_SCHEMA_SUITE as SUITE } from '../support/service.js'

const require = createRequire(import.meta.url)
const skip = existsSync(SUITE) ? false : `${SUITE} is not there: nothing was tested`

interface Group {
  description: string
  schema: object | boolean
  tests: { description: string; data: unknown; valid: boolean }[]
}

/** What is right in Ajv 6 and other here, by file and group: docs/compatibility.md says why. */
const EXCEPTIONS = new Set([
  "boolean_schema.json: boolean schema 'true'",
  "boolean_schema.json: boolean schema 'false'",
])

/** Documents of other hosts, which no test has here. */
const isOfAnotherHost = (file: string) => file === 'refRemote.json'

const DRAFTS = [
  { draft: 'draft4', $schema: 'http://json-schema.org/draft-04/schema#', right: 789 },
  { draft: 'draft6', $schema: 'http://json-schema.org/draft-06/schema#', right: 1080 },
  { draft: 'draft7', $schema: 'http://json-schema.org/draft-07/schema#', right: 1400 },
]

for (const { draft, $schema, right } of DRAFTS) {
  test(`${draft}: what is right in Ajv 6 is right here, except for what is listed`, {
    skip,
    timeout: 100_000,
  }, t => {
    const wrong: string[] = []
    const excepted = new Set<string>()
    const counts = { right: 0, wrongAsAjv6: 0 }
    for (const [file, groups] of filesOf(join(SUITE, draft))) {
      for (const group of groups) {
        const name = `${file}: ${group.description}`
        const schema = typeof group.schema === 'boolean' ? group.schema : { $schema, ...group.schema }
        const ours = verdictsOf(group, () => compile(schema))
        const theirs = verdictsOf(group, () => ofAjv6(schema, draft))
        for (const [i, { description, valid }] of group.tests.entries()) {
          if (ours[i] === valid) counts.right++
          else if (theirs[i] !== valid || isOfAnotherHost(file)) counts.wrongAsAjv6++
          else if (EXCEPTIONS.has(name)) excepted.add(name)
          else wrong.push(`${name}: ${description}: ${ours[i]}`)
        }
      }
    }
    assert.deepEqual(wrong, [])
    // Draft 4 has no booleans as schemas.
    assert.deepEqual(excepted, draft === 'draft4' ? new Set() : EXCEPTIONS)
    assert.ok(counts.right >= right, `${counts.right} are right`)
    t.diagnostic(`${counts.right} right, ${counts.wrongAsAjv6} wrong as in Ajv 6`)
  })
}

function filesOf(folder: string): [file: string, groups: Group[]][] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file =>
    file.endsWith('.json'),
  )
  assert.ok(files.length > 30, folder)
  return files.sort().map(file => [file, JSON.parse(readFileSync(join(folder, file), 'utf8'))])
}

/** The verdict on each event of a group, or why validation failed to compile or run. */
function verdictsOf({ tests }: Group, make: () => (data: unknown) => boolean): (boolean | string)[] {
  let validate: (data: unknown) => boolean
  try {
    validate = make()
  } catch (error) {
    return tests.map(() => (error as Error).message)
  }
  return tests.map(({ data }) => {
    try {
      return validate(structuredClone(data))
    } catch (error) {
      return (error as Error).message
    }
  })
}

function compile(schema: object | boolean): (data: unknown) => boolean {
  const reader = new DocumentReader({ allowInsecure: true })
  const root = reader.read('/suite/1', JSON.stringify(schema))
  const references = new Map<string, Document>()
  for (const uri of root.references) {
    const document = reader.metaSchema(uri)
    if (!document) throw new Error(`it refers to ${uri}`)
    references.set(uri, document)
  }
  const compiled: Schema = compileDocument(root, references)
  return data => {
    try {
      compiled.validate(data as Event)
      return true
    } catch (error) {
      if (error instanceof GateError && error.code === 'validation_failed') return false
      throw error
    }
  }
}

function ofAjv6(schema: object | boolean, draft: string): (data: unknown) => boolean {
  const ajv = new Ajv6({
    schemaId: draft === 'draft4' ? 'auto' : '$id',
    ...{ useDefaults: true, unknownFormats: 'ignore', logger: false },
  })
  if (draft === 'draft4') ajv.addMetaSchema(require('ajv6/lib/refs/json-schema-draft-04.json'))
  if (draft === 'draft6') ajv.addMetaSchema(require('ajv6/lib/refs/json-schema-draft-06.json'))
  const validate = ajv.compile(schema)
  return data => validate(data) as boolean
}
