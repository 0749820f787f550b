import { Link } from './link.js'
import { readSelf, type Self } from './self.js'
import type { Condition, WorkerReport } from './supervisor.js'

/** Time for the primary, which asks all workers first (ms). */
const PRIMARY_TIMEOUT_MS = 2000

export interface MemberSources {
  condition(): Condition
  /** What the primary adds up. */
  metrics(): Promise<unknown>
}

/** A worker's part in what the workers tell together. */
export class Member {
  readonly #self: Self
  readonly #sources: MemberSources
  readonly #link: Link
  readonly #tellMetrics = async () => this.#link.tell('metrics', await this.#sources.metrics())

  /** Undefined in a process that serves alone. */
  static join(sources: MemberSources, self = readSelf()): Member | undefined {
    return self && new Member(self, sources)
  }

  private constructor(self: Self, sources: MemberSources) {
    this.#self = self
    this.#sources = sources
    this.#link = new Link(process, { condition: () => sources.condition(), metrics: () => sources.metrics() })
    // service-runner lets the process live for another 100 ms.
    process.on('uncaughtExceptionMonitor', this.#tellMetrics)
  }

  /** Which worker this is, and how all of them are. Without `workers` the primary does not answer. */
  async report(): Promise<{ worker: number; workers: WorkerReport[] | undefined }> {
    const workers = (await this.#link.ask('workers', PRIMARY_TIMEOUT_MS)) as WorkerReport[] | undefined
    return { worker: this.#self.number, workers }
  }

  /** Tells the last values, which stay in the sums of the host. */
  async leave(): Promise<void> {
    await this.#tellMetrics()
    process.off('uncaughtExceptionMonitor', this.#tellMetrics)
    this.#link.close()
  }
}
