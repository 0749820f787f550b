import type { JsonSchema } from '../../schemas/json-schema.js'

/** Numbers that may satisfy a schema, those nearest to `like` first. The caller checks them. */
export function* numbers(schema: JsonSchema, like: number): Generator<number> {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema as Record<
    string,
    number
  >
  const isInteger = schema.type === 'integer'
  const limits = [minimum, maximum, exclusiveMinimum, exclusiveMaximum].filter(limit => limit !== undefined)
  const step = multipleOf ?? 1
  const near: number[] = [like, ...limits]
  for (const limit of limits) near.push(limit - step, limit + step)
  if (limits.length > 1) near.push(((limits[0] as number) + (limits[1] as number)) / 2)
  for (const limit of limits)
    for (const little of [0.5, 0.1, 0.001, 1e-6]) near.push(limit - little, limit + little)
  near.push(0, 1, -1)
  const all = new Set<number>()
  for (const number of near) {
    if (multipleOf !== undefined) for (const rounded of multiples(number, multipleOf)) all.add(rounded)
    if (isInteger) all.add(Math.round(number)).add(Math.floor(number)).add(Math.ceil(number))
    all.add(number)
  }
  yield* [...all].filter(Number.isFinite).map(number => (number === 0 ? 0 : number))
}

function multiples(number: number, of: number): number[] {
  const times = number / of
  return [Math.round(times), Math.floor(times), Math.ceil(times)].map(whole =>
    Number((whole * of).toPrecision(12)),
  )
}
