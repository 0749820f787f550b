import { nearest } from '../did-you-mean.js'
import { NAMES, PROPERTIES, type Property, type PropertyOf, type PropertyValue } from './properties.js'

/** Something to say about the configuration, and where in it: `kafka.conf['ssl.ca.location']`. */
export interface Remark {
  path: string
  message: string
}

/** Properties by their own names, with the paths at which they are configured. */
export type Given = ReadonlyMap<string, { value: PropertyValue; path: string }>

/** Reads the maps of a configuration, and collects problems and warnings, each once. */
export class PropertyReader {
  readonly problems: Remark[] = []
  readonly warnings: Remark[] = []
  /** Properties with values that are not accepted. They are not missing as well. */
  readonly wrong = new Set<string>()

  problem(path: string, message: string): void {
    add(this.problems, path, message)
  }

  warning(path: string, message: string): void {
    add(this.warnings, path, message)
  }

  /** A map, with these keys only if they are given. */
  readMap(value: unknown, path: string, keys?: readonly string[]): Record<string, unknown> {
    if (value === undefined || value === null) return {}
    if (typeof value !== 'object' || Array.isArray(value)) {
      this.problem(path, 'must be a map')
      return {}
    }
    for (const key of Object.keys(value))
      if (keys && !keys.includes(key))
        this.problem(`${path}.${key}`, `is unknown: use one of ${keys.join(', ')}`)
    return value as Record<string, unknown>
  }

  readProperties(value: unknown, path: string): Given {
    const given = new Map<string, { value: PropertyValue; path: string }>()
    for (const [spelling, raw] of Object.entries(this.readMap(value, path))) {
      const at = `${path}['${spelling}']`
      const name = NAMES.get(spelling)
      const property = name === undefined ? undefined : PROPERTIES[name]
      if (name === undefined || !property) {
        const similar = nearest(spelling, NAMES.keys())
        this.problem(at, `is not a known property of Kafka${similar ? `; did you mean ${similar}?` : ''}`)
      } else if (property.status === 'rejected') this.problem(at, `is not supported: ${property.description}`)
      else if (property.status === 'ignored') this.warning(at, `has no effect: ${property.description}`)
      else {
        const read = readValue(property, raw)
        const before = given.get(name)
        if (read.problem !== undefined) {
          this.problem(at, read.problem)
          this.wrong.add(name)
        } else if (before && before.value !== read.value)
          this.problem(at, `contradicts ${before.path}: they are two names of one property`)
        else given.set(name, { value: read.value, path: at })
      }
    }
    return given
  }
}

/** The values of one producer, with defaults. Names are checked when this is compiled. */
export class PropertyValues {
  constructor(
    readonly given: Given,
    readonly reader: PropertyReader,
  ) {}

  text(name: PropertyOf<'text' | 'choice'>): string | undefined {
    return this.#value(name) as string | undefined
  }

  number(name: PropertyOf<'number'>): number {
    return this.#value(name) as number
  }

  flag(name: PropertyOf<'flag'>): boolean {
    return this.#value(name) as boolean
  }

  #value(name: string): PropertyValue | undefined {
    return this.given.get(name)?.value ?? PROPERTIES[name]?.default
  }

  missing(name: PropertyOf<Property['type']>, reason: string): void {
    if (!this.reader.wrong.has(name)) this.problem(name, `is missing${reason}`)
  }

  problem(name: PropertyOf<Property['type']>, message: string): void {
    this.reader.problem(this.given.get(name)?.path ?? `kafka.conf['${name}']`, message)
  }
}

function add(remarks: Remark[], path: string, message: string): void {
  if (!remarks.some(other => other.path === path && other.message === message))
    remarks.push({ path, message })
}

type Read = { value: PropertyValue; problem?: undefined } | { problem: string }

/** Values have their types in YAML, or are all text, as in librdkafka. */
function readValue(property: Property, raw: unknown): Read {
  if (raw === null || raw === undefined) return { problem: 'has no value' }
  if (Array.isArray(raw))
    return { problem: 'must be one text, not a list: join its parts with commas, as in a:9092,b:9092' }
  if (typeof raw === 'object') return { problem: 'must be one value, not a map' }
  const text = String(raw).trim()
  switch (property.type) {
    case 'text':
      return text === '' ? { problem: 'is empty' } : { value: text }
    case 'flag': {
      const value = { true: true, t: true, '1': true, false: false, f: false, '0': false }[text.toLowerCase()]
      return value === undefined ? { problem: `must be true or false, not ${text}` } : { value }
    }
    case 'number': {
      const [min, max] = property.range ?? [-Infinity, Infinity]
      const value = text === '' ? Number.NaN : Number(text)
      return value >= min && value <= max
        ? { value }
        : { problem: `must be a number from ${min} to ${max}, not ${text}` }
    }
    case 'choice': {
      const value = property.choices?.find(one => one.toLowerCase() === text.toLowerCase())
      return value === undefined
        ? { problem: `must be one of ${property.choices?.join(', ')}, not ${text}` }
        : { value }
    }
  }
}
