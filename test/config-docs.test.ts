import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { load } from 'js-yaml'
import { FILE, OPTIONS } from '#src/lib/config.js'
import { NAMES } from '#src/lib/kafka/properties.js'
import { fileRows, generated, PAGE } from './config-docs.js'
import { WIKIMEDIA } from './helpers.js'

const page = readFileSync(PAGE, 'utf8')

test('the tables of docs/configuration.md are those of the code: npm run docs makes them', () => {
  assert.equal(page, generated())
  assert.equal(page.match(/<!-- generated: /g)?.length, 3)
})

test('every option, every property of the file and of Kafka has its row', () => {
  for (const [name, { description }] of Object.entries(OPTIONS)) {
    assert.ok(description.length > 0, name)
    assert.ok(page.includes(`| \`${name}\` |`), name)
  }
  for (const name of NAMES.keys()) assert.ok(page.includes(`\`${name}\``), name)
  const described = fileRows().map(([path]) => path.replace(/[.[].*/, ''))
  for (const name of Object.keys(FILE.properties)) assert.ok(described.includes(name), name)
})

const clusters = join(WIKIMEDIA, 'clusters')
const isThere = existsSync(clusters)

test(`every property of production's configurations is on the page${isThere ? '' : ': NOT THERE, nothing was tested'}`, t => {
  if (!isThere) return t.diagnostic(`${clusters} is not there: it is no part of the project`)
  for (const file of readdirSync(clusters).filter(name => name.endsWith('.config.yaml'))) {
    const { services, ...top } = load(readFileSync(join(clusters, file), 'utf8')) as {
      services: [{ conf: Record<string, unknown> & { kafka: Record<string, never> } }]
    }
    const { conf, topic_conf, guaranteed, hasty } = services[0].conf.kafka as Record<
      string,
      { conf?: object }
    >
    const kafka = [conf, topic_conf, guaranteed?.conf, hasty?.conf].flatMap(map => Object.keys(map ?? {}))
    assert.ok(kafka.length > 10)
    for (const name of [...Object.keys(services[0].conf), ...kafka])
      assert.ok(page.includes(`\`${name}\``), name)
    for (const name of Object.keys(top)) assert.match(page, new RegExp(`\\| \`${name}[.\`\\[]`), name)
  }
})
