import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { load } from 'js-yaml'
import { FILE } from '#src/lib/config/file.js'
import { OPTIONS } from '#src/lib/config/options/options.js'
import { NAMES } from '#src/lib/kafka/properties.js'
import { CORPORA } from '../support/service.js'
import { fileRows, generated, PAGE, STREAM_SETTINGS } from './configuration.js'

const page = readFileSync(PAGE, 'utf8')

test('the tables of docs/configuration.md are those of the code: npm run docs makes them', () => {
  assert.equal(page, generated())
  assert.equal(page.match(/<!-- generated: /g)?.length, 4)
})

test('every option, setting of a stream, property of the file and of Kafka has its row', () => {
  for (const [name, { description }] of Object.entries(OPTIONS)) {
    assert.ok(description.length > 0, name)
    assert.ok(page.includes(`| \`${name}\` |`), name)
  }
  for (const name of NAMES.keys()) assert.ok(page.includes(`\`${name}\``), name)
  for (const { path } of STREAM_SETTINGS) assert.ok(page.includes(`| \`${path}\` |`), path)
  const described = fileRows().map(([path]) => path.replace(/[.[].*/, ''))
  for (const name of Object.keys(FILE.properties)) assert.ok(described.includes(name), name)
})

for (const { name, clusters, skip } of CORPORA) {
  test(`every property of production's configurations is on the page: ${name}`, { skip }, () => {
    for (const file of readdirSync(clusters).filter(file => file.endsWith('.config.yaml'))) {
      const { services, ...top } = load(readFileSync(join(clusters, file), 'utf8')) as {
        services: [{ conf: Record<string, unknown> & { kafka: Record<string, never> } }]
      }
      const { conf, topic_conf, guaranteed, hasty } = services[0].conf.kafka as Record<
        string,
        { conf?: object }
      >
      const kafka = [conf, topic_conf, guaranteed?.conf, hasty?.conf].flatMap(map => Object.keys(map ?? {}))
      assert.ok(kafka.length > 5)
      for (const name of [...Object.keys(services[0].conf), ...kafka])
        assert.ok(page.includes(`\`${name}\``), name)
      for (const name of Object.keys(top)) assert.match(page, new RegExp(`\\| \`${name}[.\`\\[]`), name)
    }
  })
}
