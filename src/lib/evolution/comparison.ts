import { GateError, quote, type SchemaError } from '../errors.js'
import type { Context, Event, Schema, Steps, Stream } from '../eventgate.js'
import type { SchemaParts } from '../schemas/parts.js'
import { CounterexampleSearch, type Judge } from './counterexample.js'
import type { Filling } from './filling.js'
import { type Gap, pathOf } from './gaps.js'
import { Subsumption } from './subsumption.js'

/** What a new version of a schema means for events of the one before. */
export type Verdict =
  | { verdict: 'compatible' }
  | {
      verdict: 'breaks'
      /** Accepted by the older version and refused by the newer one; both were tried. */
      event: Event
      /** The rule that refuses it. */
      rule: { path: string; keyword: string; message: string }
    }
  | {
      verdict: 'cannot_tell'
      /** The first rule of the newer version that was neither proven nor broken. */
      rule: { path: string; keyword: string; message: string }
    }

/** A schema and its parts. */
export interface Side {
  schema: Schema
  parts: SchemaParts
}

/** The configuration that decides what an event looks like when it is validated. */
export interface GateFields {
  schemaUriField: string
  dtField: string | undefined
  idField: string | undefined
  overwriteDt: boolean
}

/** Time for one search (ms). */
const SEARCH_MS = 1500
const TIMES = ['2026-01-01T00:00:00.000Z', '1999-12-31T23:59:59.999Z']
const IDS = ['00000000-0000-4000-8000-000000000000', 'ffffffff-ffff-4fff-bfff-ffffffffffff']
const ADDRESSES = ['192.0.2.1', '2001:db8::1']
const LEGACY = 'analytics/legacy/'

/**
 * Compares two versions of a schema. First it tries to prove that the newer one accepts every event that the older one
 * accepts. If that fails, it looks for an event that breaks.
 */
export class Comparison {
  readonly #steps: Pick<Steps, 'enrich'>
  readonly #fields: GateFields

  constructor(steps: Pick<Steps, 'enrich'>, fields: GateFields) {
    this.#steps = steps
    this.#fields = fields
  }

  compare(older: Side, newer: Side): Verdict {
    const judge: Judge = {
      older: event => this.refusal(event, older.schema) === undefined,
      newer: event => this.refusal(event, newer.schema) === undefined,
    }
    const gaps = new Subsumption(older.parts, newer.parts, this.#fillingOf(older, newer)).gaps()
    const examples = ((older.parts.root.examples ?? []) as Event[]).slice(0, 5)
    if (gaps.length === 0) {
      // An example that contradicts the proof would be a defect. It is better found here than trusted.
      const wrong = examples.find(example => judge.older(example) && !judge.newer(example))
      return wrong ? this.#breaks(wrong, newer) : { verdict: 'compatible' }
    }
    const until = performance.now() + SEARCH_MS
    const found = new CounterexampleSearch(older.parts, newer.parts, judge, until).find(gaps, examples)
    if (found) return this.#breaks(found, newer)
    const [first] = gaps as [Gap]
    return {
      verdict: 'cannot_tell',
      rule: {
        path: pathOf(first.place),
        keyword: first.keyword,
        message: `whether it follows from the older version that ${first.keyword} is ${quote(first.rule)}`,
      },
    }
  }

  /** Why the gate refuses an event that names this schema; undefined if it accepts the event. */
  refusal(event: Event, schema: Schema): SchemaError | undefined {
    const copy = structuredClone(event)
    // A fragment that others refer to has no such field.
    if (schema.declares(this.#fields.schemaUriField)) copy[this.#fields.schemaUriField] = schema.uri
    try {
      this.#steps.enrich(copy, schema, NO_STREAM, context(), 0)
      schema.validate(copy)
      return undefined
    } catch (error) {
      if (error instanceof GateError && error.errors?.[0]) return error.errors[0]
      throw error
    }
  }

  #breaks(event: Event, newer: Side): Verdict {
    const { dataPath, keyword, message = '' } = this.refusal(event, newer.schema) as SchemaError
    const { schemaUriField } = this.#fields
    const named = newer.schema.declares(schemaUriField) ? { [schemaUriField]: newer.schema.uri } : {}
    return {
      verdict: 'breaks',
      event: { ...named, ...event, ...named },
      rule: { path: dataPath, keyword, message },
    }
  }

  /** What the gate fills in for one of two schemas, or for both. The field that names the schema always differs. */
  #fillingOf({ schema: older }: Side, { schema: newer }: Side): Filling {
    const { schemaUriField, dtField, idField, overwriteDt } = this.#fields
    const filled: [path: string | undefined, values: readonly unknown[], of?: (schema: Schema) => boolean][] =
      [
        [dtField, TIMES],
        [idField, IDS],
        ['http.client_ip', ADDRESSES],
        ['meta.request_id', ['text']],
        ['dt', TIMES, schema => schema.title?.startsWith(LEGACY) ?? false],
        [schemaUriField, [newer.uri]],
      ]
    const filling: Record<'older' | 'newer' | 'both' | 'replaced', Record<string, readonly unknown[]>> = {
      older: {},
      newer: {},
      both: {},
      replaced: newer.declares(schemaUriField) ? { [schemaUriField]: [newer.uri] } : {},
    }
    for (const [path, values, of = () => true] of filled) {
      if (path === undefined) continue
      const before = of(older) && older.declares(path)
      const after = of(newer) && newer.declares(path)
      if (before && !after) filling.older[path] = values
      if (after && !before) filling.newer[path] = values
      if (before && after && path !== schemaUriField) filling.both[path] = values
    }
    if (dtField !== undefined && overwriteDt && newer.declares(dtField)) filling.replaced[dtField] = TIMES
    return { ...filling, schemaUriField }
  }
}

const NO_STREAM: Stream = { name: 'any', topic: 'any' }

/** A request that says as little as possible. */
function context(): Context {
  return {
    requestId: IDS[0] as string,
    receivedAt: Date.parse(TIMES[0] as string),
    deadline: Infinity,
    headers: {},
    delivery: 'guaranteed',
    clientIp: () => ADDRESSES[0],
    textOf: () => '',
  }
}
