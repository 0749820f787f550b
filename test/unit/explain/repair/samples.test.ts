import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import type { Schema } from '#src/lib/eventgate.js'
import { repairerFor } from '#src/lib/explain/repairer.js'
import { SchemaRepository } from '#src/lib/schemas/repository.js'
import { accepts } from '../../../support/repair.js'
import { CORPORA } from '../../../support/service.js'

for (const { name, schemas: primary, versions, skip } of CORPORA) {
  test(`an event can be made of each schema of a corpus: ${name}`, { skip }, async () => {
    const schemas = new SchemaRepository({
      ...{ uriField: '$schema', baseUris: [primary], fileExtension: '.yaml', allowInsecure: false },
      ...{
        allowAbsoluteUris: false,
        maxSchemas: 2000,
        failureTtlMs: 5000,
        timeoutMs: 1000,
        userAgent: 'test',
      },
    })
    const listed = await schemas.list()
    assert.ok(listed.length >= versions / 2)
    const files = readdirSync(primary, { recursive: true, encoding: 'utf8' })
    assert.ok(listed.length < files.filter(file => file.endsWith('.yaml')).length)
    await schemas.load(listed.map(({ uri }) => uri))
    const without: string[] = []
    for (const { uri } of listed) {
      let schema: Schema
      try {
        schema = schemas.get(uri)
      } catch {
        continue
      }
      const sample = repairerFor(schema)?.sample()
      if (sample === undefined) without.push(uri)
      else assert.ok(accepts(schema, sample), uri)
    }
    assert.deepEqual(without, [])
  })
}
