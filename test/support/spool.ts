import type { Delivery } from '#src/lib/eventgate.js'
import type { Disk } from '#src/lib/spool/disk.js'
import type { SpoolClock, SpoolObserver } from '#src/lib/spool/observer.js'
import type { Attempt, Place, SpoolRecord, StoredRecord, Unit } from '#src/lib/spool/record.js'
import { Spool, type SpoolSettings } from '#src/lib/spool/spool.js'
import { randomFrom } from './kafka-fake.js'
import { SimulatedDisk } from './simulated-disk.js'

/** A clock that a test sets. */
export class SetClock implements SpoolClock {
  time = 0
  readonly #timers: { time: number; callback: () => void }[] = []

  now(): number {
    return this.time
  }

  wall(): number {
    return 1_700_000_000_000 + Math.floor(this.time)
  }

  at(time: number, callback: () => void): () => void {
    const timer = { time, callback }
    this.#timers.push(timer)
    return () => {
      const index = this.#timers.indexOf(timer)
      if (index >= 0) this.#timers.splice(index, 1)
    }
  }

  pass(ms: number): void {
    this.time += ms
    for (const timer of this.#timers.filter(({ time }) => time <= this.time)) {
      this.#timers.splice(this.#timers.indexOf(timer), 1)
      timer.callback()
    }
  }
}

export interface Notes {
  readonly troubles: string[]
  readonly damages: { records: number; message: string }[]
}

export interface World {
  readonly machine: SimulatedDisk
  readonly clock: SetClock
  readonly notes: Notes
  open(settings?: Partial<SpoolSettings>, disk?: Disk): Promise<Spool>
}

/** A simulated directory, on which spools are opened one after the other. */
export function makeWorld(seed = 1): World {
  const machine = new SimulatedDisk({ random: randomFrom(seed) })
  const clock = new SetClock()
  const notes: Notes = { troubles: [], damages: [] }
  const observer: SpoolObserver = {
    trouble: message => notes.troubles.push(message),
    damaged: (records, message) => notes.damages.push({ records, message }),
  }
  return {
    machine,
    clock,
    notes,
    open: (settings = {}, disk = machine.mount()) =>
      Spool.open({ maxBytes: 10_000_000, segmentBytes: 4096, ...settings }, disk, clock, observer),
  }
}

interface RecordOptions {
  topic?: string
  partition?: number
  delivery?: Delivery
  stream?: string
  key?: string | null
}

export function record(
  value: string,
  { topic = 't', partition = 0, delivery = 'guaranteed', stream = topic, key = null }: RecordOptions = {},
): SpoolRecord {
  return {
    topic,
    partition,
    key: key === null ? null : Buffer.from(key),
    value,
    valueBytes: Buffer.byteLength(value),
    timestamp: 1_700_000_000_000,
    stream,
    delivery,
  }
}

/** All that a pass answers. */
export async function readAll(
  spool: Spool,
  blocked: (unit: Unit) => boolean = () => false,
): Promise<StoredRecord[]> {
  const records: StoredRecord[] = []
  for await (const chunk of spool.pass(blocked)) records.push(...chunk)
  return records
}

export const valuesOf = (records: readonly StoredRecord[]): string[] => records.map(({ value }) => `${value}`)

let sequence = 0

export function attemptOf(records: readonly Place[], partition = 0): Attempt {
  return { topic: records[0]?.topic ?? '', partition, producerId: 7, epoch: 0, sequence: sequence++, records }
}

/** As the drain does it: journals, sends, and has the acknowledgement. */
export async function drain(spool: Spool, records: readonly StoredRecord[]): Promise<void> {
  if (records.length === 0) return
  await spool.journal([attemptOf(records, Math.max(0, records[0]?.partition ?? 0))])
  for (const one of records) spool.done(one)
}

/** What the spool does by itself has come to an end: as far as that can be told, it calls the disk no more. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
}
