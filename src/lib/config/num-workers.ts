import { availableParallelism } from 'node:os'
import { quote } from '../errors.js'

/** More workers than any host has processors. */
const MAX_WORKERS = 1024

/**
 * Reads `num_workers` as service-runner's users write it: a number, or an expression such as `ncpu - 1` or
 * `(ncpu + 1) / 2`. A fraction is rounded down. Throws what is wrong with it.
 */
export function readNumWorkers(value: number | string | undefined, ncpu = availableParallelism()): number {
  const count = Math.floor(typeof value === 'string' ? new Expression(value, ncpu).value() : (value ?? 0))
  if (count >= 0 && count <= MAX_WORKERS) return count
  throw new Error(`must come to 0 to ${MAX_WORKERS} workers, not ${count}`)
}

/** An expression of numbers, `ncpu`, the four operations and parentheses. */
class Expression {
  readonly #text: string
  readonly #ncpu: number
  readonly #tokens: string[]

  constructor(text: string, ncpu: number) {
    this.#text = text
    this.#ncpu = ncpu
    this.#tokens = text.match(/ncpu|\d+(?:\.\d+)?|\S/g) ?? []
  }

  value(): number {
    const value = this.#sum()
    if (this.#tokens.length > 0) this.#fail()
    return value
  }

  #sum(): number {
    let value = this.#product()
    while (this.#tokens[0] === '+' || this.#tokens[0] === '-')
      value += (this.#tokens.shift() === '+' ? 1 : -1) * this.#product()
    return value
  }

  #product(): number {
    let value = this.#term()
    while (this.#tokens[0] === '*' || this.#tokens[0] === '/')
      value = this.#tokens.shift() === '*' ? value * this.#term() : value / this.#term()
    return value
  }

  #term(): number {
    const token = this.#tokens.shift() ?? this.#fail()
    if (token === 'ncpu') return this.#ncpu
    if (/^\d/.test(token)) return Number(token)
    if (token !== '(') this.#fail()
    const value = this.#sum()
    if (this.#tokens.shift() !== ')') this.#fail()
    return value
  }

  #fail(): never {
    throw new Error(
      `must be a number of workers, or an expression such as "ncpu - 1", not ${quote(this.#text)}`,
    )
  }
}
