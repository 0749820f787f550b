import { GateError, quote } from '../errors.js'
import type { Context, Delivery } from '../eventgate.js'

/** The parameters that mean something. All others are ignored. */
export type Query = Pick<Context, 'delivery' | 'schemaUri' | 'stream'>
export type QueryReader = (url: string) => Query

const HASTY: Record<string, Delivery> = {
  true: 'hasty',
  1: 'hasty',
  yes: 'hasty',
  false: 'guaranteed',
  0: 'guaranteed',
  no: 'guaranteed',
  '': 'guaranteed',
}

/** The names of the parameters that fill fields of the events; null for none. */
export interface QueryParams {
  schemaUri: string | null
  stream: string | null
}

/** Query parsers do not tell a bare `?hasty`, which is hasty, from `?hasty=`, which is not (docs/contract.md 1.1). */
export function makeQueryReader(params: QueryParams): QueryReader {
  return url => {
    const query: Query = { delivery: 'guaranteed' }
    const start = url.indexOf('?')
    if (start < 0) return query
    const seen = new Set<string>()
    for (const part of url.slice(start + 1).split('&')) {
      const [rawName = '', ...rawValue] = part.split('=')
      const name = unescaped(rawName)
      if (name === undefined) continue
      if (name !== 'hasty' && name !== params.schemaUri && name !== params.stream) continue
      if (seen.has(name))
        throw new GateError('query_refused', `query parameter ${quote(name)} is given more than once`)
      seen.add(name)
      const value = rawValue.length === 0 ? undefined : unescaped(rawValue.join('='))
      if (value === undefined && rawValue.length > 0)
        throw new GateError(
          'query_refused',
          `query parameter ${quote(name)} is not well escaped: ${quote(part)}`,
        )
      if (name === 'hasty') query.delivery = deliveryOf(value ?? 'true')
      else if (name === params.schemaUri) query.schemaUri = value || undefined
      else query.stream = value || undefined
    }
    return query
  }
}

function deliveryOf(hasty: string): Delivery {
  const delivery = Object.hasOwn(HASTY, hasty) ? HASTY[hasty] : undefined
  if (delivery) return delivery
  throw new GateError(
    'query_refused',
    `query parameter "hasty" must be true, 1, yes, false, 0 or no, not ${quote(hasty)}`,
  )
}

/** Undefined if it is not well escaped. */
function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}
