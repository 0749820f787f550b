import type { JsonSchema, SubSchema } from '../schemas/json-schema.js'

/** A step towards a value: a property or item, or one of those that a schema does not name. */
export type Place = string | number | { any: 'property' | 'item'; matching?: string }

/** A rule of the newer schema that could not be shown to follow from the older one. */
export interface Gap {
  place: readonly Place[]
  keyword: string
  /** The keyword's value. */
  rule: unknown
  /** The sub-schema of the newer schema that has the keyword. */
  schema: SubSchema
  /** What the older schema says of the values there, all of it at once. */
  older: readonly JsonSchema[]
}

/** The place as a dotted path; undefined if one of its steps is not a plain name. */
export function dottedOf(place: readonly Place[]): string | undefined {
  return place.every(step => typeof step === 'string' && !step.includes('.')) ? place.join('.') : undefined
}

/** The place as people write it, such as `.a[0].*`. */
export function pathOf(place: readonly Place[]): string {
  return place
    .map(step => {
      if (typeof step === 'number') return `[${step}]`
      if (typeof step === 'string') return `.${step}`
      return step.any === 'item' ? '[*]' : '.*'
    })
    .join('')
}
