import { nearest } from '../../did-you-mean.js'
import { isObject } from '../../eventgate.js'
import { pointerSteps, type Step } from '../../json-pointer.js'
import { type JsonSchema, membersOf, namedSchemasFor, type SubSchema } from '../../schemas/json-schema.js'
import type { Complaint } from '../../schemas/parts.js'
import { GONE } from '../json-patch.js'
import type { Repairer } from '../repairer.js'
import { numbers } from './numbers.js'
import { nextItem, propertyNames, propertySamples, sample, variations } from './samples.js'
import { texts } from './strings.js'

type Members = Record<string, unknown>

/** A value to put at these steps, or `GONE`. */
export interface Change {
  steps: readonly Step[]
  value: unknown
}

/** A complaint to make candidates for, with the value that it is about. */
interface Task {
  complaint: Complaint
  value: unknown
  depth: number
  search: Repairer
}

type Maker = (task: Task) => Generator<Change>

const MAX_ALLOWED = 20
const MAX_ITEMS = 1000

/** Changes of a value that may fix a complaint about it, the smallest first. */
export function* candidates(task: Task): Generator<Change> {
  const { keyword, propertyName } = task.complaint
  const maker = propertyName === undefined ? MAKERS[keyword] : propertyNameChanges
  if (maker) yield* maker(task)
}

const whole = (value: unknown): Change => ({ steps: [], value })
const inner = (name: Step, value: unknown): Change => ({ steps: [name], value })

/** By keyword. */
const MAKERS: Readonly<Record<string, Maker>> = {
  *type({ complaint: { params, schema }, value }) {
    for (const type of [params.type].flat().flatMap(type => String(type).split(',')))
      for (const coerced of coercions(value, type, schema)) yield whole(coerced)
  },
  *enum({ complaint: { rule }, value }) {
    const allowed = rule as unknown[]
    if (typeof value === 'string') {
      const meant = nearest(
        value,
        allowed.filter(item => typeof item === 'string'),
      )
      if (meant !== undefined) yield whole(meant)
    }
    const same = allowed.find(item => String(item) === String(value))
    if (same !== undefined) yield whole(same)
    for (const item of allowed.slice(0, MAX_ALLOWED)) yield whole(item)
  },
  *const({ complaint: { rule } }) {
    yield whole(rule)
  },
  multipleOf: numberChanges,
  maximum: numberChanges,
  minimum: numberChanges,
  exclusiveMaximum: numberChanges,
  exclusiveMinimum: numberChanges,
  maxLength: stringChanges,
  minLength: stringChanges,
  pattern: stringChanges,
  format: stringChanges,
  maxItems: fewerItems,
  additionalItems: fewerItems,
  *minItems({ complaint: { params, schema }, value, depth, search }) {
    const items = (value as unknown[]).slice()
    const least = Math.min(params.limit as number, MAX_ITEMS)
    while (items.length < least && !search.budget.isExhausted) {
      const item = nextItem(search, items, schema, depth)
      if (item === undefined) break
      items.push(item)
    }
    yield whole(items)
  },
  *uniqueItems({ complaint: { params } }) {
    yield inner(Math.max(params.i as number, params.j as number), GONE)
  },
  *contains({ complaint, value, depth, search }) {
    const items = value as unknown[]
    const rule = complaint.rule as SubSchema
    const wanted = sample(search, rule, depth + 1)
    if (wanted === undefined) return
    yield whole([...items, wanted])
    for (let i = items.length - 1; i >= 0 && i >= items.length - 10; i--) {
      const fixed = search.fit(items[i], rule, depth + 1)
      yield inner(i, fixed === undefined ? wanted : fixed)
    }
  },
  *maxProperties({ complaint: { schema, params }, value }) {
    yield whole(fewerMembers(value as Members, schema, params.limit as number))
  },
  *minProperties({ complaint: { schema, params }, value, depth, search }) {
    const members = { ...(value as Members) }
    const isEnough = () => Object.keys(members).length >= (params.limit as number)
    for (const name of propertyNames(search, schema, depth)) {
      if (isEnough()) break
      if (Object.hasOwn(members, name)) continue
      const [made] = propertySamples(search, schema, name, [], depth)
      if (made !== undefined) members[name] = made
    }
    if (isEnough()) yield whole(members)
  },
  *required(task) {
    const { complaint, value } = task
    const missing = complaint.params.missingProperty as string
    const members = value as Members
    const undeclared = Object.keys(members).filter(name => !isDeclared(complaint.schema, name))
    const meant = nearest(missing, undeclared)
    if (meant !== undefined) yield whole(renamed(members, meant, missing))
    yield* missingProperty(task)
  },
  *dependencies(task) {
    yield* missingProperty(task)
    yield inner(task.complaint.params.property as string, GONE)
  },
  *additionalProperties({ complaint: { params, schema }, value }) {
    const name = params.additionalProperty as string
    const members = value as Members
    const missing = Object.keys(membersOf(schema.properties)).filter(known => !Object.hasOwn(members, known))
    const meant = nearest(name, missing)
    if (meant !== undefined) yield whole(renamed(members, name, meant))
    yield inner(name, GONE)
  },
  propertyNames: propertyNameChanges,
  /** Satisfies `then` (or `else`), or else avoids it. */
  *if({ complaint: { params, schema }, value, depth, search }) {
    const { parts } = search
    const failing = params.failingKeyword as 'then' | 'else'
    const { if: condition = true, [failing]: consequence } = schema as Record<string, SubSchema>
    const both = parts.derived(schema, failing, () => ({ allOf: [consequence, schema] }))
    const fixed = search.fit(value, both, depth + 1)
    if (fixed !== undefined) yield whole(fixed)
    const otherwise = failing === 'then' ? parts.not(condition) : condition
    const avoiding = parts.derived(schema, `not ${failing}`, () => ({ allOf: [otherwise, schema] }))
    const escaped = search.fit(value, avoiding, depth + 1)
    if (escaped !== undefined) yield whole(escaped)
  },
  *anyOf(task) {
    yield* branchChanges(task, task.complaint.rule as SubSchema[])
  },
  /** Of `oneOf` the other branches must refuse the value. */
  *oneOf(task) {
    const { parts } = task.search
    const branches = task.complaint.rule as SubSchema[]
    const alone = (branch: SubSchema, i: number) =>
      parts.derived(branches, `one ${i}`, () => {
        const others = branches.filter((_, j) => j !== i)
        return { allOf: [branch, ...others.map(other => parts.not(other))] }
      })
    yield* branchChanges(task, branches.map(alone))
  },
  *not({ complaint: { rule }, value, search }) {
    for (const other of variations(value, 2)) {
      if (search.budget.isExhausted) return
      if (search.accepts(search.parts.not(rule as SubSchema), other)) yield whole(other)
    }
  },
  /** A dependency that nothing satisfies: removes the property that it depends on. */
  *'false schema'({ complaint: { schemaPath } }) {
    const pointer = /\/dependencies(\/[^/]+)\/false schema$/.exec(schemaPath)?.[1]
    const [name] = pointer === undefined ? [] : pointerSteps(decodeURIComponent(pointer))
    if (name !== undefined) yield inner(name, GONE)
  },
}

/** Renames a property whose name is refused, or removes it. */
function* propertyNameChanges({ complaint, value, depth, search }: Task): Generator<Change> {
  const { keyword, params, rule, schema } = complaint
  const name = complaint.propertyName ?? (params.propertyName as string)
  const names = keyword === 'propertyNames' ? (rule as SubSchema) : schema
  const fixed = search.fit(name, names, depth + 1)
  if (typeof fixed === 'string' && !Object.hasOwn(value as Members, fixed))
    yield whole(renamed(value as Members, name, fixed))
  yield inner(name, GONE)
}

function* numberChanges({ complaint: { schema }, value, search }: Task): Generator<Change> {
  for (const number of numbers(schema, value as number))
    if (search.accepts(schema, number)) yield whole(number)
}

function* stringChanges({ complaint: { schema }, value, search }: Task): Generator<Change> {
  for (const text of texts(schema, value as string)) if (search.accepts(schema, text)) yield whole(text)
}

function* fewerItems({ complaint: { params }, value }: Task): Generator<Change> {
  yield whole((value as unknown[]).slice(0, params.limit as number))
}

function* missingProperty({ complaint, depth, search }: Task): Generator<Change> {
  const name = complaint.params.missingProperty as string
  const path = [...complaint.steps, name]
  for (const made of propertySamples(search, complaint.schema, name, path, depth)) yield inner(name, made)
}

/** Values near to this one for each branch, then samples of them. */
function* branchChanges(
  { complaint: { rule }, value, depth, search }: Task,
  branches: readonly SubSchema[],
): Generator<Change> {
  for (const branch of branches) {
    const fixed = search.fit(value, branch, depth + 1)
    if (fixed !== undefined) yield whole(fixed)
  }
  for (const branch of rule as SubSchema[]) {
    const made = sample(search, branch, depth + 1)
    if (made !== undefined) yield whole(made)
  }
}

/** So many properties: those that are required before those that are declared before the others. */
function fewerMembers(members: Members, schema: JsonSchema, most: number): Members {
  const required = new Set((schema.required ?? []) as string[])
  const rank = (name: string) => (required.has(name) ? 0 : isDeclared(schema, name) ? 1 : 2)
  const ranked = Object.keys(members).sort((a, b) => rank(a) - rank(b))
  const kept = new Set(ranked.slice(0, most))
  return Object.fromEntries(Object.entries(members).filter(([name]) => kept.has(name)))
}

function isDeclared(schema: JsonSchema, name: string): boolean {
  return namedSchemasFor(schema, name).length > 0
}

function renamed(members: Members, from: string, to: string): Members {
  return Object.fromEntries(
    Object.entries(members).map(([name, value]) => [name === from ? to : name, value]),
  )
}

/** A value as another type if it means the same, then the schema's default. */
function* coercions(value: unknown, type: string, schema: JsonSchema): Generator<unknown> {
  const text = typeof value === 'string' ? value.trim() : undefined
  const [only, ...more] = Array.isArray(value) ? value : []
  switch (type) {
    case 'string':
      if (typeof value === 'number' || typeof value === 'boolean') yield String(value)
      if (typeof only === 'string' && more.length === 0) yield only
      break
    case 'integer':
    case 'number': {
      const number = typeof value === 'number' ? value : text ? Number(text) : Number.NaN
      if (!Number.isFinite(number)) break
      yield type === 'integer' ? Math.round(number) : number
      break
    }
    case 'boolean':
      if (text !== undefined && /^(true|false)$/i.test(text)) yield text.toLowerCase() === 'true'
      if (value === 1 || value === 0) yield value === 1
      break
    case 'array':
      if (isObject(value) || (value !== null && value !== undefined && typeof value !== 'object'))
        yield [value]
      break
    case 'object':
      if (typeof only === 'object' && more.length === 0) yield only
      if (text?.startsWith('{')) {
        try {
          yield JSON.parse(text)
        } catch {
          // The text means something else.
        }
      }
      break
  }
  if (schema.default !== undefined) yield schema.default
}
