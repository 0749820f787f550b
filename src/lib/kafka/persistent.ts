import { Batch, type Origin, type Pending, type Resumed, sizeOf } from './batch.js'
import type { PartitionQueue } from './partition-queue.js'
import type { NextStep } from './response-codes.js'
import type { Link, OutgoingBatch, ProduceRequest, Transport } from './transport.js'
import type { ProduceResponse } from './wire/protocol.js'
import type { RecordData } from './wire/records.js'

// What a sender needs that brings events to Kafka which are on disk.

/** Attempts at a batch in doubt after which a broker is believed that expects another one. */
const MAX_UNEXPECTED = 5

/** Resolves once it is on disk that these batches are about to be sent. */
export type Journal = (batches: readonly OutgoingBatch[]) => Promise<void>

/** Lets no batch out before the journal knows it, so that a process that ends leaves no doubt about what it sent. */
export class JournaledTransport implements Transport {
  constructor(
    readonly transport: Transport,
    readonly journal: Journal,
  ) {}

  get control(): Transport['control'] {
    return this.transport.control
  }

  async connect(...to: Parameters<Transport['connect']>): Promise<Link> {
    return new JournaledLink(await this.transport.connect(...to), this.journal)
  }
}

class JournaledLink implements Link {
  constructor(
    readonly link: Link,
    readonly journal: Journal,
  ) {}

  get open(): boolean {
    return this.link.open
  }

  get broken(): boolean {
    return this.link.broken
  }

  async produce(request: ProduceRequest): Promise<ProduceResponse | undefined> {
    await this.journal(request.batches)
    return this.link.produce(request)
  }

  close(): void {
    this.link.close()
  }
}

/** An event that waits for as long as it must, and its outcome. */
export function lasting(origin: RecordData & Origin): { record: Pending; outcome: Promise<unknown> } {
  const { key, value, valueBytes, timestamp, headers } = origin
  const size = sizeOf(valueBytes, key, headers)
  let record!: Pending
  const outcome = new Promise<unknown>((resolve, reject) => {
    record = {
      ...{ key, value, valueBytes, timestamp, headers, trace: undefined, origin, size },
      ...{ deadline: Infinity, patience: Infinity, share: undefined, settled: false, resolve, reject },
    }
  })
  return { record, outcome }
}

/** Puts a batch at the head of its queue as it was sent. In another partition brokers would not know it. */
export function resume(queue: PartitionQueue, resumed: Resumed, now: number): void {
  const { partition, identity, records } = resumed
  const batch = new Batch(queue.topic, queue.partition, now)
  for (const record of records) batch.add(record)
  batch.closed = true
  if (partition === queue.partition) {
    batch.identity = identity
    batch.open = 1
  } else queue.listener.observer.possiblyTwice?.(records.length)
  if (queue.length === 0) queue.since = now
  queue.unshift(batch)
}

/** Counts a batch that may be stored, and that brokers will not recognise when its events come again. */
export function countAgain({ settings, listener }: PartitionQueue, { open, records }: Batch): void {
  if (open > 0 && settings.persists) listener.observer.possiblyTwice?.(records.length)
}

/** What is next for a batch that must be stored. */
export function persistently(next: NextStep, batch: Batch): NextStep {
  if (next === 'fail') return 'back_off'
  // So answers also a leader that was replaced, and has not heard of it: the new one may have this batch.
  return next === 'new_epoch' && batch.open > 0 && ++batch.unexpected < MAX_UNEXPECTED ? 'refresh' : next
}
