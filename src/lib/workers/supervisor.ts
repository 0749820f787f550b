/** What a worker says of itself. */
export interface Condition {
  status: string
  reason?: string | undefined
}

/** A worker's process. */
export interface WorkerProcess {
  readonly pid: number | undefined
  /** Asks it to finish what is in flight, and to end. */
  drain(): void
  /** Ends it at once. */
  kill(): void
  /** Undefined if it does not answer in time. */
  condition(timeoutMs: number): Promise<Condition | undefined>
}

/** What a supervisor must be told of a process that it started. */
export interface WorkerEvents {
  /** It serves. */
  ready(): void
  /** It has ended, and nothing more comes from it. `code` is null after a signal. */
  gone(code: number | null, signal: string | null): void
}

export interface SupervisorOptions {
  count: number
  /** Time for a worker to finish what is in flight (ms). */
  graceMs: number
  /** A worker that does not answer for so long is killed (ms). 0: never. */
  heartbeatMs: number
  /** Starts a worker with this number. */
  start(number: number, events: WorkerEvents): WorkerProcess
  observer: SupervisorObserver
  clock?: SupervisorClock
}

export interface SupervisorObserver {
  /** A worker ended that nobody had asked to. */
  died(number: number, how: string, restartInMs: number): void
  /** A worker does not answer, and is killed. */
  hung(number: number): void
  /** A restart of all workers has begun, was given up, or is done. */
  rolling(step: 'begun' | 'given up' | 'done'): void
}

export interface SupervisorClock {
  now(): number
  /** Calls back after this time, unless cancelled. */
  after(ms: number, callback: () => void): { cancel(): void }
}

/** A worker, for people. */
export interface WorkerReport extends Condition {
  worker: number
  pid: number | undefined
  uptime_seconds: number
  restarts: number
}

/** EX_CONFIG of sysexits.h: a start with the same configuration fails again. */
const EX_CONFIG = 78
/** Pauses before a worker that died is started again: none, 250 ms, 500 ms, … */
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 30_000
/** A worker that served for so long did not die of its start. */
const SETTLED_MS = 60_000
/** Questions without an answer before a worker is taken for hung. Counted, because a host may have been suspended. */
const UNANSWERED = 3
const CONDITION_TIMEOUT_MS = 1000

const CLOCK: SupervisorClock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return { cancel: () => clearTimeout(timer) }
  },
}

/** The place of a worker, and the process that has it now. */
interface Slot {
  readonly number: number
  state: 'starting' | 'ready' | 'draining' | 'waiting' | 'ended'
  process: WorkerProcess | undefined
  /** When its state began. */
  since: number
  /** Deaths since it last served for long. */
  failures: number
  restarts: number
  unanswered: number
  hasServed: boolean
  timer: { cancel(): void } | undefined
  /** Called when its state changes. */
  readonly watchers: Set<() => void>
}

/**
 * Keeps a number of workers running: starts them, replaces those that die or hang, restarts one after the other, and
 * ends all. No two live workers have the same number.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #clock: SupervisorClock
  readonly #slots: Slot[] = []
  #everReady = false
  #ending = false
  #isRolling = false
  #rollAgain = false
  #isClean = true
  #fail: (code: number) => void = () => {}
  /** Resolves with an exit code if the workers cannot be started. */
  readonly failed: Promise<number>

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#clock = options.clock ?? CLOCK
    this.failed = new Promise(resolve => {
      this.#fail = resolve
    })
  }

  /**
   * Starts the first worker and, when it is ready, the others: what prevents a start is reported once. Resolves when all
   * are ready.
   */
  async start(): Promise<void> {
    const { count, heartbeatMs } = this.#options
    await this.#until(this.#add(0), 'ready')
    const others = Array.from({ length: count - 1 }, (_, i) => this.#add(i + 1))
    await Promise.all(others.map(slot => this.#until(slot, 'ready')))
    if (heartbeatMs > 0) this.#watch(heartbeatMs / UNANSWERED)
  }

  /**
   * Restarts all workers, one after the other. One more is started before the first is drained, so that there are never
   * fewer than before, and its number is its own. If it does not start, nothing else happens.
   */
  async roll(): Promise<void> {
    if (this.#ending || !this.#everReady) return
    this.#rollAgain = this.#isRolling
    if (this.#isRolling) return
    this.#isRolling = true
    do {
      this.#rollAgain = false
      this.#options.observer.rolling('begun')
      this.#options.observer.rolling((await this.#rollOnce()) ? 'done' : 'given up')
    } while (this.#rollAgain)
    this.#isRolling = false
  }

  async #rollOnce(): Promise<boolean> {
    const { count } = this.#options
    const spare = this.#add(count)
    await this.#until(spare, 'ready', 'ended')
    for (const slot of this.#slots.slice(0, count)) {
      if (spare.state === 'ended' || this.#ending) break
      await this.#end(slot)
      if (this.#ending) break
      this.#start(slot)
      await this.#until(slot, 'ready')
    }
    const isDone = spare.state !== 'ended' && !this.#ending
    await this.#end(spare)
    if (!this.#ending) this.#slots.splice(this.#slots.indexOf(spare), 1)
    return isDone
  }

  /** Ends all workers. Resolves with whether each has finished what was in flight. */
  async drain(): Promise<boolean> {
    this.#ending = true
    await Promise.all(this.#slots.map(slot => this.#end(slot)))
    return this.#isClean
  }

  /** Ends all workers at once. */
  kill(): void {
    this.#ending = true
    for (const { process } of this.#slots) process?.kill()
  }

  get count(): number {
    return this.#options.count
  }

  /** Each worker that should serve, with whether it does, and how often it was started again. */
  get states(): { worker: number; isReady: boolean; restarts: number }[] {
    return this.#slots
      .slice(0, this.count)
      .map(({ number, state, restarts }) => ({ worker: number, isReady: state === 'ready', restarts }))
  }

  /** Asks each worker how it is. */
  reports(): Promise<WorkerReport[]> {
    return Promise.all(
      this.#slots.map(async ({ number, state, process, since, restarts }) => {
        const isAsked = state === 'ready' || state === 'draining'
        const condition = isAsked
          ? ((await process?.condition(CONDITION_TIMEOUT_MS)) ?? { status: 'not_answering' })
          : { status: state === 'waiting' ? 'restarting' : state }
        const uptime_seconds = Math.round((this.#clock.now() - since) / 1000)
        return { worker: number, pid: process?.pid, ...condition, uptime_seconds, restarts }
      }),
    )
  }

  #add(number: number): Slot {
    const slot: Slot = {
      number,
      state: 'ended',
      process: undefined,
      since: 0,
      failures: 0,
      restarts: 0,
      unanswered: 0,
      hasServed: false,
      timer: undefined,
      watchers: new Set(),
    }
    this.#slots.push(slot)
    this.#start(slot)
    return slot
  }

  #start(slot: Slot): void {
    slot.timer?.cancel()
    slot.unanswered = 0
    slot.hasServed = false
    this.#enter(slot, 'starting')
    slot.process = this.#options.start(slot.number, {
      ready: () => {
        this.#everReady = true
        slot.hasServed = true
        if (slot.state === 'starting') this.#enter(slot, 'ready')
      },
      gone: (code, signal) => this.#gone(slot, code, signal),
    })
  }

  #gone(slot: Slot, code: number | null, signal: string | null): void {
    const { state, since, number } = slot
    slot.process = undefined
    slot.timer?.cancel()
    if (this.#ending && slot.hasServed && code !== 0) this.#isClean = false
    const isAlone = this.#slots.every(other => other === slot || other.state !== 'ready')
    const cannotStart = !this.#everReady || (code === EX_CONFIG && isAlone)
    if (this.#ending || state === 'draining' || number >= this.count || cannotStart) {
      this.#enter(slot, 'ended')
      if (cannotStart && !this.#ending) this.#fail(code ?? 1)
      return
    }
    if (state === 'ready' && this.#clock.now() - since >= SETTLED_MS) slot.failures = 0
    const pauseMs =
      slot.failures === 0 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (slot.failures - 1))
    // An operator who ends it in order finds nothing wrong with it.
    if (code !== 0) slot.failures++
    slot.restarts++
    this.#enter(slot, 'waiting')
    this.#options.observer.died(number, signal ?? `exit code ${code}`, pauseMs)
    slot.timer = this.#clock.after(pauseMs, () => this.#start(slot))
  }

  /** Resolves when nothing of the worker runs any more. */
  async #end(slot: Slot): Promise<void> {
    const { process, state } = slot
    if (state !== 'draining') slot.timer?.cancel()
    if (!process) return this.#enter(slot, 'ended')
    this.#enter(slot, 'draining')
    if (state === 'ready') {
      process.drain()
      slot.timer = this.#clock.after(this.#options.graceMs, () => process.kill())
    } else if (state === 'starting') process.kill()
    await this.#until(slot, 'ended')
  }

  #enter(slot: Slot, state: Slot['state']): void {
    slot.state = state
    slot.since = this.#clock.now()
    for (const watcher of [...slot.watchers]) watcher()
  }

  #until(slot: Slot, ...states: Slot['state'][]): Promise<void> {
    return new Promise(resolve => {
      const look = () => {
        if (!states.includes(slot.state)) return
        slot.watchers.delete(look)
        resolve()
      }
      slot.watchers.add(look)
      look()
    })
  }

  /** Asks all that serve whether they live. */
  #watch(everyMs: number): void {
    this.#clock.after(everyMs, () => {
      if (this.#ending) return
      for (const slot of this.#slots.filter(({ state }) => state === 'ready')) {
        const { process, number } = slot
        if (slot.unanswered++ >= UNANSWERED) {
          this.#options.observer.hung(number)
          process?.kill()
        } else
          void process?.condition(everyMs).then(condition => {
            if (condition && slot.process === process) slot.unanswered = 0
          })
      }
      this.#watch(everyMs)
    })
  }
}
