import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Event, Schema } from '#src/lib/eventgate.js'
import { Comparison, type Side, type Verdict } from '#src/lib/evolution/comparison.js'
import { Repairer } from '#src/lib/explain/repairer.js'
import { compile } from '#src/lib/schemas/compiler.js'
import { DocumentReader } from '#src/lib/schemas/document.js'
import { type SchemaParts, partsOf as schemaPartsOf } from '#src/lib/schemas/parts.js'
import { makeEnrich } from '#src/lib/steps/enrich.js'
import { key, schema as schemas, value as values } from '../support/schema-worlds.js'
import { Random } from './random.js'

type Members = Record<string, unknown>

export const FIELDS = { schemaUriField: '$schema', dtField: 'meta.dt', idField: 'meta.id', overwriteDt: true }

const enrich = makeEnrich({
  ...FIELDS,
  streamField: 'meta.stream',
  idFromRequest: false,
  headersToFields: { 'x-request-id': 'meta.request_id' },
})

export const comparison = new Comparison({ enrich }, FIELDS)

const reader = new DocumentReader({ allowInsecure: true })

/** A schema as the service would have it. Throws where the service would refuse it. */
export function sideOf(uri: string, document: object): Side {
  const root = reader.read(uri, JSON.stringify(document))
  const compiled = compile(root, new Map())
  return { schema: compiled, parts: schemaPartsOf(compiled) as SchemaParts }
}

export interface PairsResult {
  pairs: number
  compatible: number
  breaks: number
  cannotTell: number
  /** Pairs that the service would not take, or that end in an endless reference. */
  skipped: number
  events: number
  /** Events that the older schema accepts. */
  accepted: number
}

/**
 * Compares generated pairs of schemas, and checks each verdict with events. A compatible schema must accept every
 * event that the older schema accepts. If a schema breaks, an event must show it.
 */
export function comparePairs({
  pairs,
  events,
  seed,
}: {
  pairs: number
  events: number
  seed: number
}): PairsResult {
  const result: PairsResult = {
    pairs: 0,
    compatible: 0,
    breaks: 0,
    cannotTell: 0,
    skipped: 0,
    events: 0,
    accepted: 0,
  }
  const roots = fc
    .sample(schemas, { numRuns: pairs * 2, seed })
    .filter((schema): schema is Members => typeof schema === 'object')
  const definitions = fc
    .sample(schemas, { numRuns: 200, seed: seed + 1 })
    .filter(schema => !JSON.stringify(schema).includes('$ref'))
  const pool = fc.sample(fc.dictionary(key, values, { maxKeys: 4 }), { numRuns: 5000, seed: seed + 2 })
  for (let i = 0; result.pairs < pairs && i < roots.length; i++) {
    const random = Random.of(seed, i)
    const older = { ...(roots[i] as Members), definitions: { d: random.pick(definitions) } }
    const newer = edited(older, random, definitions)
    let before: Side
    let after: Side
    let verdict: Verdict
    try {
      before = sideOf('/t/1.0.0', older)
      after = sideOf('/t/1.1.0', newer)
      verdict = comparison.compare(before, after)
    } catch {
      result.skipped++
      continue
    }
    result.pairs++
    const shown = () => `pair ${i} of seed ${seed}: ${JSON.stringify({ older, newer })}`
    if (verdict.verdict === 'cannot_tell') result.cannotTell++
    if (verdict.verdict === 'breaks') {
      result.breaks++
      assert.equal(refuses(verdict.event, before.schema), false, shown())
      assert.equal(refuses(verdict.event, after.schema), true, shown())
    }
    if (verdict.verdict !== 'compatible') continue
    result.compatible++
    for (const event of eventsFor(before, pool, events, random)) {
      result.events++
      if (refuses(event, before.schema)) continue
      result.accepted++
      assert.equal(refuses(event, after.schema), false, `${shown()} event ${JSON.stringify(event)}`)
    }
  }
  return result
}

function refuses(event: Event, schema: Schema): boolean {
  return comparison.refusal(event, schema) !== undefined
}

/** Events of the pool, and changed ones near to what the older schema accepts. */
function* eventsFor(
  { parts }: Side,
  pool: readonly Members[],
  count: number,
  random: Random,
): Generator<Event> {
  const sample = new Repairer(parts, performance.now() + 20).sample()
  const near =
    typeof sample === 'object' && sample !== null && !Array.isArray(sample) ? (sample as Members) : {}
  for (let i = 0; i < count; i++) {
    const event = random.pick(pool)
    if (i % 2 === 0) yield event
    else
      yield {
        ...near,
        ...(random.chance(0.5) ? { [random.pick(['a', 'b', 'c', '7'])]: Object.values(event)[0] ?? 1 } : {}),
      }
  }
}

/** A new version of a schema: some rule is gone, changed or added, somewhere in it. */
function edited(schema: Members, random: Random, others: readonly unknown[]): Members {
  const copy = structuredClone(schema)
  const edits = 1 + random.int(2)
  for (let i = 0; i < edits; i++) {
    const parts = partsOf(copy)
    const part = random.pick(parts)
    const keywords = Object.keys(part).filter(name => name !== 'definitions')
    const other = structuredClone(random.pick(others))
    const more = typeof other === 'object' ? (other as Members) : {}
    const keyword = keywords.length > 0 ? random.pick(keywords) : undefined
    random.weighed<() => void>([
      [3, () => keyword !== undefined && delete part[keyword]],
      [2, () => void Object.assign(part, more)],
      [2, () => keyword !== undefined && Object.assign(part, { [keyword]: changed(part[keyword], random) })],
      [1, () => void Object.assign(part, { properties: { ...(part.properties as object), c: other } })],
      [1, () => void Object.assign(part, { anyOf: [{ ...part }, other], ...none(keywords) })],
    ])()
  }
  return JSON.parse(JSON.stringify(copy))
}

function none(keywords: readonly string[]): Members {
  return Object.fromEntries(keywords.map(keyword => [keyword, undefined]))
}

function changed(rule: unknown, random: Random): unknown {
  if (typeof rule === 'number') return Math.max(0, rule + random.pick([-1, 1, 2]))
  if (typeof rule === 'boolean') return !rule
  if (Array.isArray(rule)) {
    const kept = rule.filter(() => random.chance(0.7))
    return kept.length > 0 ? kept : rule
  }
  return rule
}

/** The schema and its sub-schemas. */
function partsOf(schema: Members): Members[] {
  const parts: Members[] = [schema]
  const walk = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return
    for (const [name, inner] of Object.entries(value)) {
      if (['enum', 'const', 'default', 'required'].includes(name)) continue
      if (typeof inner === 'object' && inner !== null) {
        const isSchema =
          !Array.isArray(inner) &&
          !['properties', 'patternProperties', 'dependencies', 'definitions'].includes(name)
        if (isSchema) parts.push(inner as Members)
        walk(inner)
      }
    }
  }
  walk(schema)
  return parts
}
