/** How long the client of a probe waits. */
export const PROBE_ANSWER_MS = 1000

/**
 * Whether a partition, or a topic that is not known yet, takes events.
 *
 * Closed: it does, also when it has begun to fail. Open: it does not, until what it needs can be reached. Half-open:
 * that can be reached, and one event at a time, the probe, finds out whether it works.
 */
export class CircuitBreaker {
  #state: 'closed' | 'open' | 'half-open' = 'closed'
  /** Failures since the last success. */
  failures = 0
  /** The latest one, for a person. */
  problem = 'no broker was asked yet'

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  /** Nothing has failed since the last success. */
  get isWell(): boolean {
    return this.failures === 0 && this.#state === 'closed'
  }

  /** Whether it refuses an event now; `busy`: it holds another one. */
  rejects(busy: boolean): boolean {
    return this.#state === 'open' || (this.#state === 'half-open' && busy)
  }

  /** Whether somebody must find out if it can be reached, because no event does. */
  get needsProbe(): boolean {
    return this.#state === 'open'
  }

  /** An attempt failed: a probe did not close it. */
  fail(problem = this.problem): void {
    this.failures++
    this.problem = problem
    this.unreachable()
  }

  /** Something that it needs has failed, by which an attempt would too. */
  note(problem: string): void {
    this.failures ||= 1
    this.problem = problem
  }

  trip(problem = this.problem): void {
    this.#state = 'open'
    this.problem = problem
  }

  /** What it needs can be reached. That closes nothing: only a success does. */
  reachable(): void {
    if (this.#state === 'open') this.#state = 'half-open'
  }

  /** What it needs cannot be reached any more, or is another thing now. */
  unreachable(): void {
    if (this.#state === 'half-open') this.#state = 'open'
  }

  succeed(): void {
    this.#state = 'closed'
    this.failures = 0
  }
}
