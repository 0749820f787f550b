import { setTimeout as delay } from 'node:timers/promises'
import { Inspection } from '../regexp/safety.js'
import { type FetchOptions, fetchText, NotFound } from '../remote/fetch-text.js'
import { StreamTable, type TableOptions } from './table.js'

/** Where the stream configuration comes from, and when it is fetched. */
export interface StreamConfigOptions extends FetchOptions, TableOptions {
  /** A path, a `file:` or an `http(s):` URI. */
  uri: string
  /** Attempts after the first one, at the start. */
  retries: number
  /** Time between two fetches (ms; 0: it is never fetched again). */
  ttlMs: number
  /** Minimum time between two fetches that unknown streams cause (ms). */
  minRefreshMs: number
  /** How long an event waits for such a fetch (ms). */
  patienceMs: number
}

/** Hears the result of each fetch. */
export interface StreamConfigObserver {
  fetched?(table: StreamTable): void
  failed?(reason: string): void
}

const MAX_BYTES = 64 * 1024 * 1024
const BACKOFF_MS = { first: 500, most: 10_000 }
/** How long expressions are checked at the start, when nothing else waits (ms). */
const FIRST_INSPECTION_MS = 5000
/** The longest wait for the next fetch after one that failed. */
const AFTER_FAILURE_MS = 30_000

/** The stream configuration in force. It is fetched again and again, and the last good one stays. */
export class StreamConfigs {
  /** The last good configuration. */
  table: StreamTable
  /** Why the last fetch failed; undefined if it succeeded. */
  failure: string | undefined
  readonly #options: StreamConfigOptions
  readonly #observer: StreamConfigObserver
  #text: string
  #fetchedAt = Date.now()
  #askedAt = 0
  #refreshing: Promise<void> | undefined
  /** The refresh under way, or the end of the time that events wait for it: one timer for all of them. */
  #awaited: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  private constructor(
    options: StreamConfigOptions,
    observer: StreamConfigObserver,
    table: StreamTable,
    text: string,
  ) {
    this.#options = options
    this.#observer = observer
    this.table = table
    this.#text = text
    observer.fetched?.(table)
    this.#schedule()
  }

  /** Fetches it for the first time. Rejects if all attempts fail. */
  static async open(
    options: StreamConfigOptions,
    observer: StreamConfigObserver = {},
  ): Promise<StreamConfigs> {
    for (let tries = 0; ; tries++) {
      try {
        const text = await fetchConfiguration(options)
        const table = StreamTable.read(text, options, new Inspection(FIRST_INSPECTION_MS))
        return new StreamConfigs(options, observer, table, text)
      } catch (error) {
        const reason = `stream_config_uri ${options.uri} cannot be used: ${(error as Error).message}`
        if (tries >= options.retries) throw new Error(reason, { cause: error })
        observer.failed?.(reason)
        await delay(Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** tries) * (0.5 + Math.random() / 2))
      }
    }
  }

  /** Whether a fetch is under way. */
  get refreshing(): boolean {
    return this.#refreshing !== undefined
  }

  get ttlSeconds(): number {
    return this.#options.ttlMs / 1000
  }

  /** Time since the last fetch that succeeded (s). */
  get ageSeconds(): number {
    return (Date.now() - this.#fetchedAt) / 1000
  }

  /** Fetches it before its time, and waits a while. Undefined if that was done recently. Never rejects. */
  refreshEarly(): Promise<void> | undefined {
    const { minRefreshMs, patienceMs } = this.#options
    const waited = Date.now() - this.#askedAt
    if (this.#refreshing) {
      if (waited >= patienceMs) return undefined
      this.#awaited ??= this.#atMost(this.#refreshing, patienceMs - waited)
      return this.#awaited
    }
    if (this.#closed || waited < minRefreshMs) return undefined
    this.#awaited = this.#atMost(this.#refresh(), patienceMs)
    return this.#awaited
  }

  #atMost(refreshing: Promise<void>, ms: number): Promise<void> {
    return Promise.race([refreshing, delay(ms, undefined, { ref: false })])
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #refresh(): Promise<void> {
    this.#askedAt = Date.now()
    clearTimeout(this.#timer)
    this.#refreshing = this.#fetch().finally(() => {
      this.#refreshing = undefined
      this.#awaited = undefined
      this.#schedule()
    })
    return this.#refreshing
  }

  async #fetch(): Promise<void> {
    try {
      const text = await fetchConfiguration(this.#options)
      if (text !== this.#text || this.table.isIncomplete) {
        this.table = StreamTable.read(text, this.#options, undefined, this.table)
        this.#text = text
        this.#observer.fetched?.(this.table)
      }
      this.#fetchedAt = Date.now()
      this.failure = undefined
    } catch (error) {
      this.failure = (error as Error).message
      this.#observer.failed?.(`the stream configuration could not be fetched again: ${this.failure}`)
    }
  }

  #schedule(): void {
    const { ttlMs } = this.#options
    if (ttlMs === 0 || this.#closed) return
    const wait = this.failure === undefined ? ttlMs : Math.min(ttlMs, AFTER_FAILURE_MS)
    this.#timer = setTimeout(() => void this.#refresh(), wait)
    this.#timer.unref()
  }
}

async function fetchConfiguration(options: StreamConfigOptions): Promise<string> {
  const found = await fetchText(options.uri, MAX_BYTES, options)
  if (typeof found === 'string') return found
  throw new Error(found instanceof NotFound ? 'it does not exist' : found.message)
}
