import { _, type Ajv, type Code, type KeywordCxt } from 'ajv'
import namesModule from 'ajv/dist/compile/names.js'
import { type Generate, redefine } from './ajv6.js'

const N = namesModule.default

/**
 * Steps of one validation, some 0.1 µs each. References followed take steps, branches of `anyOf` or `oneOf` beyond two,
 * names held against a pattern or `propertyNames`, and characters of objects looked up. A message of 4 MiB needs
 * fewer steps, unless its schema has more than one way to a value.
 */
const MAX_STEPS = 5_000_000
/** Steps of a validation that finds all errors. Each error takes steps too: it is an object that goes up level by level. */
const MAX_STEPS_OF_ALL = 200_000
/** For an error of a branch that fails: it is copied at each level that it goes up. */
const STEPS_OF_ERROR = 4
/** Errors that are kept of the branches of one `anyOf` or `oneOf`. */
const MAX_OF_BRANCHES = 500
const CHARACTERS_A_STEP = 16

/** Thrown for schemas whose time grows faster than the event, such as two branches that lead to the same child. */
export class TooManySteps {}

/** Counts the steps of one validation at a time. */
export class Effort {
  readonly #addsNames: boolean
  #left = 0
  #names: { of: object; names: string[] } | undefined

  /** `addsNames`: whether validation may add fields to an object, as defaults do. */
  constructor({ addsNames }: { addsNames: boolean }) {
    this.#addsNames = addsNames
  }

  begin(findsAll: boolean): void {
    this.#left = findsAll ? MAX_STEPS_OF_ALL : MAX_STEPS
  }

  /** Lets the validated event go. */
  end(): void {
    this.#names = undefined
  }

  /** The names of an object, remembered: V8 sorts those of a large object each time, and several keywords ask. */
  readonly namesOf = (object: object): string[] => {
    if (this.#addsNames) return Object.keys(object)
    if (this.#names?.of !== object) this.#names = { of: object, names: Object.keys(object) }
    return this.#names.names
  }

  /** Throws TooManySteps if no steps are left. */
  readonly spend = (steps: number): void => {
    this.#left -= steps
    if (this.#left < 0) throw new TooManySteps()
  }
}

/** Makes the keywords linear for which Ajv compares all pairs of values, and counts steps where time may still grow. */
export function makeLinear(ajv: Ajv, effort: Effort): void {
  redefine(ajv, 'uniqueItems', uniqueItems)
  redefine(ajv, 'enum', (cxt, original) => {
    const members = new Members(cxt.schema as unknown[], effort)
    if (members.areFew) original(cxt)
    else cxt.pass(_`${scoped(cxt, members.has)}(${cxt.data})`)
  })
  redefine(ajv, 'const', (cxt, original) => {
    if (typeof cxt.schema !== 'object' || cxt.schema === null) original(cxt)
    else cxt.pass(_`${scoped(cxt, new Members([cxt.schema], effort).has)}(${cxt.data})`)
  })
  const spendOnNames = (data: object, steps: number) => effort.spend(effort.namesOf(data).length * steps)
  for (const keyword of ['patternProperties', 'propertyNames', 'additionalProperties']) {
    redefine(ajv, keyword, (cxt, original) => {
      const { gen, data, parentSchema, schema } = cxt
      if (parentSchema.patternProperties === undefined && parentSchema.propertyNames === undefined) {
        original(cxt)
        return
      }
      const looks = keyword === 'patternProperties' ? Object.keys(schema).length : 1
      gen.code(_`${scoped(cxt, spendOnNames)}(${data}, ${looks})`)
      const { forIn } = gen
      gen.forIn = (name, object, body) => gen.forOf(name, _`${scoped(cxt, effort.namesOf)}(${object})`, body)
      original(cxt)
      gen.forIn = forIn
    })
  }
  redefine(ajv, '$ref', (cxt, original) => {
    const { gen, it } = cxt
    const before = it.allErrors ? gen.const('before', N.errors) : undefined
    gen.code(_`${scoped(cxt, effort.spend)}(1)`)
    original(cxt)
    if (before) gen.code(_`${scoped(cxt, effort.spend)}(${N.errors} - ${before})`)
  })
  for (const keyword of ['anyOf', 'oneOf'])
    redefine(ajv, keyword, (cxt, original) => union(cxt, original, effort))
}

/** Bounds the errors of branches: if all fail, each keeps its own errors and those below, twice as many per level. */
function union(cxt: KeywordCxt, original: Generate, effort: Effort): void {
  const { gen, schema } = cxt
  if (schema.length > 2) gen.code(_`${scoped(cxt, effort.spend)}(${schema.length - 2})`)
  const before = gen.const('before', N.errors)
  const trim = (errors: unknown[] | null, before: number): number => {
    if (errors === null) return before
    effort.spend(STEPS_OF_ERROR * (errors.length - before))
    errors.length = Math.min(errors.length, before + MAX_OF_BRANCHES)
    return errors.length
  }
  const { error } = cxt
  cxt.error = (...how) => {
    gen.assign(N.errors, _`${scoped(cxt, trim)}(${N.vErrors}, ${before})`)
    error.apply(cxt, how)
  }
  original(cxt)
}

/** A function, as generated code calls it. */
function scoped({ gen }: KeywordCxt, ref: (...args: never[]) => unknown): Code {
  return gen.scopeValue('func', { ref })
}

/** Ajv compares all pairs, unless the items' types say that they are scalars. */
export function uniqueItems(cxt: KeywordCxt, original: Generate): void {
  const { gen, schema, parentSchema, data } = cxt
  const types = [parentSchema.items?.type ?? []].flat()
  const areScalars = types.length > 0 && !types.includes('object') && !types.includes('array')
  if (schema !== true || areScalars) {
    original(cxt)
    return
  }
  const pair = gen.const('pair', _`${scoped(cxt, lastPair)}(${data})`)
  cxt.setParams({ i: _`${pair}[0]`, j: _`${pair}[1]` })
  cxt.fail(pair)
}

/** The pair that Ajv reports: the last item with an equal one before it, and the last of those. */
export function lastPair(items: readonly unknown[]): [i: number, j: number] | undefined {
  const scalars = new Map<unknown, number>()
  const others = new Map<string, number>()
  let found: [number, number] | undefined
  for (let i = 0; i < items.length; i++) {
    const item = items[i]
    const isScalar = typeof item !== 'object' || item === null
    const seen = isScalar ? scalars : others
    const key = (isScalar ? item : canonical(item)) as string
    const j = seen.get(key)
    if (j !== undefined) found = [i, j]
    seen.set(key, i)
  }
  return found
}

/** Up to so many scalars are compared one by one, which is faster than a look-up. */
const FEW = 16

/** The values of an `enum`, or the one of a `const`. */
class Members {
  readonly #scalars = new Set<unknown>()
  readonly #others = new Set<string>()
  readonly #effort: Effort
  #longest = 0

  constructor(values: readonly unknown[], effort: Effort) {
    this.#effort = effort
    for (const value of values) {
      if (typeof value !== 'object' || value === null) this.#scalars.add(value)
      else {
        const text = canonical(value)
        this.#others.add(text)
        this.#longest = Math.max(this.#longest, text.length)
      }
    }
  }

  get areFew(): boolean {
    return this.#others.size === 0 && this.#scalars.size <= FEW
  }

  readonly has = (value: unknown): boolean => {
    if (typeof value !== 'object' || value === null) return this.#scalars.has(value)
    if (this.#others.size === 0) return false
    // A value that is longer than all of them is not among them, and need not be written out.
    const length = lengthUpTo(value, this.#longest)
    this.#effort.spend(Math.ceil(Math.min(length, this.#longest) / CHARACTERS_A_STEP))
    return length <= this.#longest && this.#others.has(canonical(value))
  }
}

/** JSON that is the same for equal values, whatever the order of their keys. */
export function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const keys = Object.keys(value).sort()
  const fields = keys.map(
    key => `${JSON.stringify(key)}:${canonical((value as Record<string, unknown>)[key])}`,
  )
  return `{${fields.join(',')}}`
}

/** The least length of a value's JSON. Counting stops early above `most`. */
export function lengthUpTo(value: unknown, most: number): number {
  let length = 0
  const add = (value: unknown): void => {
    if (typeof value === 'string') length += value.length + 2
    else if (typeof value !== 'object' || value === null) length += 1
    else if (Array.isArray(value)) {
      length += value.length + 1
      for (let i = 0; i < value.length && length <= most; i++) add(value[i])
    } else {
      const names = Object.keys(value)
      // A name has two quotes and a colon, and each value except the last has a comma.
      length += 4 * names.length + 1
      for (let i = 0; i < names.length && length <= most; i++) {
        const name = names[i] as string
        length += name.length
        add((value as Record<string, unknown>)[name])
      }
    }
  }
  add(value)
  return length
}
