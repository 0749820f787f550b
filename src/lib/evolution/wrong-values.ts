import { type Event, isObject } from '../eventgate.js'
import { GONE, put } from '../explain/json-patch.js'
import { at, type Step } from '../json-pointer.js'
import type { JsonSchema } from '../schemas/json-schema.js'
import { finite } from './rules.js'

/** Values of all kinds. */
export const ROUGH: readonly unknown[] = [
  ...[null, true, false, 0, 1, -1, 1.5, 1e6],
  ...['', 'text', 'a', 'A', '0', ' ', 'ä', 'a b', '1970-01-01', 'a'.repeat(300)],
  ...[[], {}, [null], ['text'], { x: 'text' }],
]

/** Values that break a rule of the newer schema, whatever the older one says of them. */
export function* wrongValues(
  keyword: string,
  rule: unknown,
  current: unknown,
  older: readonly JsonSchema[],
): Generator<unknown> {
  const limit = typeof rule === 'number' ? rule : 0
  const object = isObject(current) ? current : {}
  const items = Array.isArray(current) ? current : []
  yield* finite(older) ?? []
  switch (keyword) {
    case 'enum':
    case 'const':
      for (const value of [rule].flat())
        if (typeof value === 'string') yield* [`${value}x`, value.toUpperCase()]
      break
    case 'maxLength':
      for (const char of ['a', '1', 'A'])
        if (limit < 100_000) yield (typeof current === 'string' ? current : '').padEnd(limit + 1, char)
      break
    case 'pattern':
    case 'format':
      for (let code = 32; code < 127; code++) yield String.fromCharCode(code)
      break
    case 'minLength':
      yield* ['a'.repeat(Math.max(0, limit - 1)), '']
      break
    case 'maximum':
    case 'minimum':
    case 'exclusiveMaximum':
    case 'exclusiveMinimum':
    case 'multipleOf':
      yield* [0, 1, -1, 0.5, -0.5].map(by => limit + by)
      yield* [limit * 1.5, limit / 2, limit * 10, -limit]
      for (const part of older)
        for (const name of ['maximum', 'minimum', 'exclusiveMaximum', 'exclusiveMinimum', 'multipleOf'])
          if (typeof part[name] === 'number') yield* [part[name], part[name] + 1, part[name] - 1]
      break
    case 'required':
    case 'default':
    case 'properties': {
      const { [String(rule)]: _, ...rest } = object
      yield rest
      break
    }
    case 'maxProperties':
      yield Object.fromEntries([
        ...Object.entries(object),
        ...Array.from({ length: limit + 1 }, (_, i) => [`x${i}`, 'text']),
      ])
      break
    case 'minProperties':
      yield Object.fromEntries(Object.entries(object).slice(0, Math.max(0, limit - 1)))
      break
    case 'propertyNames':
      for (const name of ['x', 'X', 'a b', 'ä', '0', 'x'.repeat(100)]) yield { ...object, [name]: 'text' }
      break
    case 'dependencies':
      for (const [name, needed] of Object.entries((rule ?? {}) as Event)) {
        const without = Array.isArray(needed)
          ? needed
          : isObject(needed)
            ? ((needed.required ?? []) as string[])
            : []
        const rest = Object.fromEntries(Object.entries(object).filter(([own]) => !without.includes(own)))
        yield* ['text', 1, {}, []].map(value => ({ ...rest, [name]: object[name] ?? value }))
      }
      break
    case 'maxItems':
      if (limit < 10_000)
        yield Array.from({ length: limit + 1 }, (_, i) => items[i % Math.max(1, items.length)] ?? `text${i}`)
      break
    case 'minItems':
      yield items.slice(0, Math.max(0, limit - 1))
      break
    case 'uniqueItems':
      for (const item of [...items.slice(0, 1), 'text', 1, null, {}]) yield [item, item]
      break
    case 'contains':
      yield* [[], items.slice(0, 1)]
      break
    case 'not':
    case 'if':
    case 'anyOf':
    case 'oneOf':
      yield* constantsIn(rule)
      break
  }
  if (typeof current === 'string')
    yield* [current.toUpperCase(), current.toLowerCase(), `${current} x`, current.slice(0, -1)]
  if (typeof current === 'number') yield* [current + 1, -current, current + 0.5]
}

/** Values that a schema mentions. */
function* constantsIn(schema: unknown): Generator<unknown> {
  for (const steps of placesOf(schema, 6)) {
    const value = at(schema, steps)
    if (steps.at(-1) === 'const') yield value
    if (steps.at(-1) === 'enum' && Array.isArray(value)) yield* value.slice(0, 20)
    if (steps.at(-1) === 'required' && Array.isArray(value)) {
      yield Object.fromEntries(value.map(name => [name, 'text']))
      yield Object.fromEntries(value.map(name => [name, 1]))
    }
  }
}

/** All places in a value except its root, the outer ones first. */
export function placesOf(value: unknown, depth = 12): Step[][] {
  const places: Step[][] = []
  const walk = (value: unknown, steps: Step[]) => {
    if (typeof value !== 'object' || value === null || steps.length >= depth || places.length > 5000) return
    const names: Step[] = Array.isArray(value) ? [...value.keys()].reverse() : Object.keys(value)
    for (const name of names) places.push([...steps, name])
    for (const name of names) walk((value as Record<Step, unknown>)[name], [...steps, name])
  }
  walk(value, [])
  return places
}

/** Changes of all kinds at all places. */
export function* mutations(event: Event): Generator<unknown> {
  for (const steps of placesOf(event)) {
    yield put(event, steps, GONE)
    for (const value of ROUGH) yield put(event, steps, value)
    if (isObject(at(event, steps))) yield put(event, [...steps, 'x'], 'text')
  }
  yield { ...event, x: 'text' }
}
