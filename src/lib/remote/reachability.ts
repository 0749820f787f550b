/** What is known of a remote address. */
export interface RemoteState {
  address: string
  state: 'reachable' | 'unreachable' | 'untried'
  /** Why it did not answer. */
  problem?: string | undefined
}

const MAX_ADDRESSES = 1000

/** Remembers, for each address, whether the last request to it was answered. */
export class Reachability {
  /** The problem by address; undefined for one that answered. */
  readonly #problems = new Map<string, string | undefined>()

  answered(address: string): void {
    this.#remember(address, undefined)
  }

  failed(address: string, problem: string): void {
    this.#remember(address, problem)
  }

  /** One state for each address, however often it is given. */
  statesOf(addresses: Iterable<string>): RemoteState[] {
    return Array.from(new Set(addresses), address => {
      const problem = this.#problems.get(address)
      if (problem !== undefined) return { address, state: 'unreachable', problem }
      return { address, state: this.#problems.has(address) ? 'reachable' : 'untried' }
    })
  }

  #remember(address: string, problem: string | undefined): void {
    if (this.#problems.size >= MAX_ADDRESSES && !this.#problems.has(address))
      this.#problems.delete(this.#problems.keys().next().value as string)
    this.#problems.set(address, problem)
  }
}
