import type { Pending } from './batch.js'
import type { SenderObserver } from './observer.js'
import { type Journal, JournaledTransport, lasting } from './persistent.js'
import { Sender, type SenderSettings } from './sender.js'
import type { Clock, OutgoingBatch, Transport } from './transport.js'
import type { Identity, RecordData } from './wire/records.js'

/** An event on disk. */
export interface OnDisk extends RecordData {
  readonly topic: string
  /** −1: it was not known. */
  readonly partition: number
}

/** A batch that an earlier process was sending when it ended. */
export interface InDoubt extends Identity {
  readonly topic: string
  readonly partition: number
}

/** Limits a request, because live events wait while it is encoded or a broker is busy with it. */
const REQUEST_BYTES = 256 * 1024

/** Brings events that are on disk to Kafka, with a producer id of its own. `R` is what the caller knows an event by. */
export class SpoolTarget<R extends OnDisk> {
  readonly sender: Sender

  constructor(
    settings: SenderSettings,
    transport: Transport,
    readonly clock: Clock,
    /** Those that share the partitions: nothing is sent where one of their attempts is open. */
    readonly live: readonly Sender[],
    /** Resolves once it is on disk that these events are about to be sent as one batch. */
    journal: (batches: readonly (InDoubt & { readonly records: readonly R[] })[]) => Promise<void>,
    random: () => number = Math.random,
    observer: SenderObserver = {},
  ) {
    const own = {
      ...settings,
      persists: true,
      retries: Infinity,
      lingerMs: 0,
      requestBytes: Math.min(settings.requestBytes, REQUEST_BYTES),
      batchBytes: Math.min(settings.batchBytes, REQUEST_BYTES),
      maxInFlight: undefined,
      overflow: undefined,
      holds: (topic: string, partition: number) => !live.every(sender => sender.isSettled(topic, partition)),
    }
    const write: Journal = batches => journal(batches.map(attemptOf<R>))
    this.sender = new Sender(own, new JournaledTransport(transport, write), clock, random, observer)
  }

  /** Resolves when it is stored. */
  send(event: R): Promise<unknown> {
    const { record, outcome } = lasting(event)
    this.sender.persist(event.topic, record)
    return outcome
  }

  /** Sends a batch of an earlier process as it was, before anything else of its partition. */
  resume(
    { topic, partition, producerId, epoch, sequence }: InDoubt,
    events: readonly R[],
  ): Promise<unknown>[] {
    // It goes where it went, whatever the partition was when it came.
    const all = events.map(event => lasting({ ...event, partition }))
    const records = all.map(({ record }) => record)
    const first = records[0] as Pending
    first.resumes = { partition, identity: { producerId, epoch, sequence }, records }
    this.sender.persist(topic, first)
    return all.map(({ outcome }) => outcome)
  }

  /** What has failed before tells nothing any more of a partition of which events are stored. */
  recover({ topic, partition }: Pick<OnDisk, 'topic' | 'partition'>): void {
    for (const sender of this.live) sender.recover(topic, partition)
  }
}

function attemptOf<R>({ topic, partition, identity, records }: OutgoingBatch) {
  return {
    ...(identity as Identity),
    topic,
    partition,
    records: records.map(record => (record as Pending).origin as R),
  }
}
