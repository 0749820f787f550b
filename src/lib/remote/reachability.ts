/** Something remote, by what became of the last thing that was asked of it. */
export interface Reach {
  address: string
  state: 'reachable' | 'unreachable' | 'untried'
  /** Why it did not answer. */
  problem?: string | undefined
}

/** Addresses of which the last answer is remembered. */
const MAX_ADDRESSES = 1000

/** Remembers who answered, and who did not. */
export class Reached {
  /** undefined: it answered. */
  readonly #problems = new Map<string, string | undefined>()

  answered(address: string): void {
    this.#note(address, undefined)
  }

  failed(address: string, problem: string): void {
    this.#note(address, problem)
  }

  /** What is known of each of these, every one once. */
  of(addresses: Iterable<string>): Reach[] {
    return Array.from(new Set(addresses), address => {
      const problem = this.#problems.get(address)
      if (problem !== undefined) return { address, state: 'unreachable', problem }
      return { address, state: this.#problems.has(address) ? 'reachable' : 'untried' }
    })
  }

  #note(address: string, problem: string | undefined): void {
    if (this.#problems.size >= MAX_ADDRESSES && !this.#problems.has(address))
      this.#problems.delete(this.#problems.keys().next().value as string)
    this.#problems.set(address, problem)
  }
}
