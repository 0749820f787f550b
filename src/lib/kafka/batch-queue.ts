import { Batch, type Pending } from './batch.js'

/**
 * A batch that may be stored can be sent again only whole: its earliest deadline ends the sending for all its events.
 * So the deadlines of a batch are not far apart: at most this part of the time that the earliest has left.
 */
const SPREAD_OF_REST = 1 / 8
/**
 * A partition that is well stores within milliseconds. There it is enough if each event has this part of the timeout
 * left, which is time for another attempt. Otherwise requests that came slowly would make a batch of every event.
 */
const ENOUGH = 1 / 8
/** How long a batch grows at most, as a part of the timeout. With less, slow replicas would get too many batches. */
const GROWTH = 1 / 2

/** The part of a sender's settings that batches go by. */
export interface BatchSettings {
  /** From an event's acceptance to its answer, milliseconds. */
  readonly timeoutMs: number
  readonly lingerMs: number
  readonly batchMessages: number
  readonly batchBytes: number
}

/** The events of one partition in the order of their acceptance, and which of them are sent together. */
export class BatchQueue {
  /** Only the first may be frozen. */
  readonly #batches: Batch[] = []
  /** No event must be answered before; looked for again only by `replace`, for the queue may be long. */
  deadline = Infinity
  /** Since when there has always been an event. */
  since = 0
  /** Less than the settings' once the broker has found a batch too large. */
  #maxBytes: number

  constructor(
    readonly topic: string,
    readonly partition: number,
    readonly settings: BatchSettings,
  ) {
    this.#maxBytes = settings.batchBytes
  }

  get length(): number {
    return this.#batches.length
  }

  get first(): Batch | undefined {
    return this.#batches[0]
  }

  get second(): Batch | undefined {
    return this.#batches[1]
  }

  get #last(): Batch | undefined {
    return this.#batches[this.#batches.length - 1]
  }

  /** Whether it has a batch that an event could share. */
  get grows(): boolean {
    const batch = this.#last
    return batch !== undefined && !batch.closed && !this.#isFull(batch)
  }

  /** Whether the first batch is the only one, and may get more events. */
  get lingers(): boolean {
    return this.length === 1 && this.grows && this.first?.probe === false
  }

  /** Takes an event. Answers whether a batch is full, and need not linger. */
  add(record: Pending, now: number, isProbe: boolean): boolean {
    const { batchMessages, lingerMs, timeoutMs } = this.settings
    if (this.length === 0) {
      this.since = now
      this.deadline = Infinity
    }
    this.deadline = Math.min(this.deadline, record.deadline)
    let batch = this.#last
    const fits =
      batch !== undefined &&
      !batch.closed &&
      batch.records.length < batchMessages &&
      batch.size + record.size <= this.#maxBytes &&
      now - batch.since <= Math.max(lingerMs, timeoutMs * GROWTH)
    if (!batch || !fits) {
      if (batch) batch.closed = true
      batch = new Batch(this.topic, this.partition, now)
      batch.probe = isProbe
      this.#batches.push(batch)
    }
    batch.add(record)
    return this.length > 1 || batch.probe || this.#isFull(batch)
  }

  shift(): void {
    this.#batches.shift()
  }

  unshift(...batches: readonly Batch[]): void {
    this.#batches.unshift(...batches)
  }

  /** Puts what `replacement` answers in the place of each batch; one without events goes. */
  replace(replacement: (batch: Batch) => Batch | undefined): void {
    let kept = 0
    this.deadline = Infinity
    for (const batch of this.#batches) {
      const next = replacement(batch)
      if (!next || next.records.length === 0) continue
      this.#batches[kept++] = next
      this.deadline = Math.min(this.deadline, next.deadline)
    }
    this.#batches.length = kept
  }

  /** A partition is well again: what was not sent yet need not be answered as soon as a probe. */
  prolong(): void {
    this.replace(batch => {
      if (batch.probe && !batch.identity) batch.prolong()
      return batch
    })
  }

  /** Empties itself. */
  takeAll(): Batch[] {
    return this.#batches.splice(0)
  }

  /** A broker has found a batch too large. */
  isTooLarge({ records, size }: Batch): void {
    if (records.length > 1) this.#maxBytes = Math.min(this.#maxBytes, size / 2)
  }

  /** Adds to the first batch what follows it, as long as all of that fits: where answers are slow each counts. */
  merge(batch: Batch): void {
    for (let next = this.#batches[1]; next; next = this.#batches[1]) {
      const size = batch.size + next.size
      const count = batch.records.length + next.records.length
      if (batch.attempts + next.attempts > 0 || count > this.settings.batchMessages || size > this.#maxBytes)
        return
      for (const record of next.records) batch.add(record)
      this.#batches.splice(1, 1)
    }
  }

  /** Leaves for the next batch what may not be sent with the first event, and all that follows, to keep the order. */
  cut(batch: Batch, now: number, isWell: boolean): void {
    if (this.#mayShare(batch.deadline, batch.latest, now, isWell)) return
    let earliest = Infinity
    let latest = -Infinity
    const count = batch.records.findIndex(({ deadline }) => {
      earliest = Math.min(earliest, deadline)
      latest = Math.max(latest, deadline)
      return !this.#mayShare(earliest, latest, now, isWell)
    })
    this.#batches.splice(1, 0, batch.cut(count))
  }

  #mayShare(earliest: number, latest: number, now: number, isWell: boolean): boolean {
    if (earliest === latest) return true
    const left = earliest - now
    return (isWell && left >= this.settings.timeoutMs * ENOUGH) || latest - earliest <= left * SPREAD_OF_REST
  }

  /** Another event like those that it has would not fit. */
  #isFull({ records, size }: Batch): boolean {
    const { length } = records
    return length >= this.settings.batchMessages || size + size / length > this.#maxBytes
  }
}
