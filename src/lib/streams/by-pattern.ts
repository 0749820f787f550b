import { Inspection, provenFast } from '../regexp/safety.js'
import { isExpression } from './table.js'

/** What operators say of streams, by name or by `/expression/`. The first row that fits counts. */
export class ByPattern<Value> {
  /** The streams that are named. */
  readonly names: readonly string[]
  readonly #rows: readonly { matches(name: string): boolean; value: Value }[]

  /** Throws an Error if an expression is invalid, or not proven to be fast. */
  constructor(rows: readonly (readonly [nameOrExpression: string, Value])[]) {
    const inspection = new Inspection(Infinity)
    this.names = rows.map(([name]) => name).filter(name => !isExpression(name))
    this.#rows = rows.map(([pattern, value]) => {
      if (!isExpression(pattern)) return { matches: name => name === pattern, value }
      const expression = provenFast(pattern.slice(1, -1), inspection)
      return { matches: name => name === pattern || expression.test(name), value }
    })
  }

  /** A stream that is configured by an expression has that as its name. */
  of(name: string): Value | undefined {
    return this.#rows.find(({ matches }) => matches(name))?.value
  }
}
