import type { GateError } from '#src/lib/errors.js'
import { readDeadLetters } from '#src/lib/spool/dead-letters.js'
import type { Attempt, StoredRecord } from '#src/lib/spool/record.js'
import { Spool } from '#src/lib/spool/spool.js'
import { randomFrom } from './kafka-fake.js'
import { failure, SimulatedDisk } from './simulated-disk.js'
import { record, SetClock } from './spool.js'

/** What became of an event, as its client knows. */
type Fate = 'open' | 'acknowledged' | 'not_stored' | 'unknown'

interface Event {
  readonly value: string
  readonly unit: string
  readonly partition: number
  fate: Fate
}

export interface CrashReport {
  readonly seed: number
  readonly violations: string[]
  readonly events: Record<Fate, number>
  readonly starts: number
  readonly faults: number
  readonly inDoubt: number
}

const PARTITIONS = [-1, 0, 0, 1, 1, 2]
const LIVES = 4

/** Brokers that store a batch once, as far as they know it by its identity. */
class Brokers {
  readonly logs = new Map<number, string[]>()
  readonly #batches = new Map<string, string>()
  readonly violations: string[] = []

  store(attempt: Attempt, values: readonly string[]): void {
    const { partition, producerId, sequence } = attempt
    const identity = `${partition}/${producerId}/${sequence}`
    const before = this.#batches.get(identity)
    if (before !== undefined) {
      if (before !== values.join()) this.violations.push(`${identity} was ${before} and is ${values.join()}`)
      return
    }
    this.#batches.set(identity, values.join())
    const log = this.logs.get(partition) ?? []
    log.push(...values)
    this.logs.set(partition, log)
  }
}

/**
 * Plays some lives of a process on one directory, with random faults of the disk. Each ends at a random moment, by a
 * crash of the machine, by a kill or in order. Everything follows from the seed.
 */
export function playCrashes(seed: number, say?: (line: string) => void): Promise<CrashReport> {
  return new Run(seed, say).play()
}

/** Plays the runs of these seeds. */
export async function playAll(from: number, to: number): Promise<{ violations: string[]; summary: string }> {
  const events = { open: 0, acknowledged: 0, not_stored: 0, unknown: 0 }
  const sums = { starts: 0, faults: 0, inDoubt: 0 }
  const violations: string[] = []
  for (let seed = from; seed <= to; seed++) {
    const report = await playCrashes(seed)
    for (const [fate, count] of Object.entries(report.events)) events[fate as Fate] += count
    for (const name of ['starts', 'faults', 'inDoubt'] as const) sums[name] += report[name]
    violations.push(...report.violations.map(text => `seed ${seed}: ${text}`))
  }
  return { violations, summary: JSON.stringify({ ...events, ...sums }) }
}

class Run {
  readonly random: () => number
  readonly machine: SimulatedDisk
  readonly clock = new SetClock()
  readonly brokers = new Brokers()
  readonly events = new Map<string, Event>()
  readonly violations: string[] = []
  starts = 0
  faults = 0
  inDoubt = 0
  #crash = () => {}
  #crashed: Promise<'crashed'> = Promise.resolve('crashed')
  #isDead = false
  #nextProducer = 1
  readonly #sequences = new Map<number, number>()

  constructor(
    readonly seed: number,
    readonly say: (line: string) => void = () => {},
  ) {
    this.random = randomFrom(seed)
    this.machine = new SimulatedDisk({
      random: randomFrom(seed ^ 0x5bd1e995),
      wait: async () => {
        for (let n = this.#int(4); n > 0; n--) await undefined
      },
    })
  }

  async play(): Promise<CrashReport> {
    for (let life = 0; life < LIVES && this.violations.length === 0; life++)
      await this.#live(life < LIVES - 1)
    await this.#check()
    const events = { open: 0, acknowledged: 0, not_stored: 0, unknown: 0 }
    for (const { fate } of this.events.values()) events[fate]++
    const { seed, violations, starts, faults, inDoubt } = this
    return { seed, violations, events, starts, faults, inDoubt }
  }

  #int(below: number): number {
    return Math.floor(this.random() * below)
  }

  async #live(hasFaults: boolean): Promise<void> {
    const { machine } = this
    this.#isDead = false
    this.#crashed = new Promise(resolve => {
      this.#crash = () => {
        if (this.#isDead) return
        this.#isDead = true
        this.say('the process ends')
        if (this.random() < 0.7) machine.crash()
        else machine.kill()
        resolve('crashed')
      }
    })
    const crashAt = hasFaults && this.random() < 0.9 ? machine.calls + this.#int(250) : Infinity
    machine.onCall = (call, name, more) => {
      this.say(`${call} ${name} ${more}`)
      if (machine.calls >= crashAt) this.#crash()
    }
    this.#setFaults(hasFaults)
    const spool = await this.#open()
    if (spool) await this.#race(this.#use(spool, hasFaults))
    // All that still runs of the process notices that it is dead.
    if (this.#isDead) for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
    // What was not answered when the process ended is answered no more.
    if (this.#isDead)
      for (const event of this.events.values()) if (event.fate === 'open') event.fate = 'unknown'
    machine.onCall = () => {}
    machine.fault = () => {}
    machine.capacity = Infinity
    machine.isReadOnly = false
    if (!this.#isDead) machine.kill()
    this.clock.pass(120_000)
  }

  /** Faults of one life: a rate of errors, a disk that is small, or one that becomes read-only. */
  #setFaults(hasFaults: boolean): void {
    const { machine, random } = this
    if (!hasFaults || random() < 0.4) return
    const rate = [0, 0.01, 0.05][this.#int(3)] as number
    const readOnlyAt = random() < 0.15 ? machine.calls + this.#int(200) : Infinity
    if (random() < 0.3) machine.capacity = 2000 + this.#int(20_000)
    machine.fault = call => {
      if (machine.calls >= readOnlyAt) machine.isReadOnly = true
      if (call === 'read' || call === 'list' || random() >= rate) return
      this.faults++
      throw failure('EIO')
    }
  }

  /** It starts; and if a fault of the disk refuses that, once that is over. */
  async #open(): Promise<Spool | undefined> {
    const open = () =>
      Spool.open({ maxBytes: 1_000_000, segmentBytes: 1500 }, this.machine.mount(), this.clock, {
        damaged: (_, message) => this.violations.push(message),
      })
    const first = await this.#race(
      open().catch((error: NodeJS.ErrnoException) => {
        if (error.code === undefined) this.violations.push(`it does not start: ${error.stack}`)
      }),
    )
    if (first === 'crashed') return undefined
    this.starts++
    this.say('it has started')
    if (first) return first
    this.machine.fault = () => {}
    this.machine.capacity = Infinity
    this.machine.isReadOnly = false
    const second = await this.#race(
      open().catch((error: Error) => void this.violations.push(`it does not start again: ${error.stack}`)),
    )
    return second === 'crashed' ? undefined : (second ?? undefined)
  }

  #race<T>(promise: Promise<T>): Promise<T | 'crashed'> {
    return Promise.race([promise, this.#crashed])
  }

  async #use(spool: Spool, hasFaults: boolean): Promise<void> {
    const producerId = this.#nextProducer++
    this.#sequences.clear()
    await this.#resend(spool)
    if (hasFaults) {
      const steps = this.#int(60)
      for (let step = 0; step < steps && !this.#isDead; step++) {
        const dice = this.random()
        if (dice < 0.55) this.#append(spool)
        else if (dice < 0.8) await this.#drain(spool, producerId)
        else if (dice < 0.9) await new Promise(setImmediate)
        else this.clock.pass(this.#int(5000))
      }
      if (this.#isDead) return
      if (this.random() < 0.7) return this.#crash()
      return spool.close()
    }
    for (let pass = 0; pass < 20 && spool.size > 0; pass++) await this.#drain(spool, producerId, true)
    if (spool.size > 0) this.violations.push(`${spool.size} events are left`)
    await spool.close()
  }

  #append(spool: Spool): void {
    for (let count = 1 + this.#int(5); count > 0; count--) {
      const partition = PARTITIONS[this.#int(PARTITIONS.length)] as number
      const value = `${this.events.size}`
      const delivery = this.random() < 0.2 ? 'hasty' : 'guaranteed'
      const event: Event = { value, unit: `${partition} ${delivery}`, partition, fate: 'open' }
      const padding = ' '.repeat(this.#int(200))
      const appended = spool.append(record(value + padding, { partition, delivery, key: value }))
      if (!appended) return
      this.events.set(value, event)
      const settle = (fate: Fate) => {
        if (this.#isDead) return
        event.fate = fate
        this.say(`${value}: ${fate}`)
      }
      appended.then(
        () => settle('acknowledged'),
        (error: GateError) => settle(error.fate),
      )
    }
  }

  /** Batches that may be stored are sent again, as they were. */
  async #resend(spool: Spool): Promise<void> {
    for (const attempt of spool.inDoubt) {
      this.inDoubt++
      const records = await this.#insist(() => spool.recordsOf(attempt))
      if (!records) {
        this.violations.push(`an attempt in doubt cannot be read: ${JSON.stringify(attempt)}`)
        continue
      }
      this.say(`sends again ${records.map(textOf)}`)
      this.brokers.store(attempt, records.map(textOf))
      for (const one of records) spool.done(one)
    }
  }

  /** Tries again as long as the disk fails. */
  async #insist<T>(action: () => Promise<T>): Promise<T> {
    for (;;)
      try {
        return await action()
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === undefined) throw error
      }
  }

  async #drain(spool: Spool, producerId: number, isCalm = false): Promise<void> {
    const blocked = new Set<number>()
    if (!isCalm && this.random() < 0.3) blocked.add(this.#int(3))
    const isBlocked = (partition: number) => blocked.has(target(partition))
    try {
      for await (const chunk of spool.pass(({ partition }) => isBlocked(partition))) {
        if (this.#isDead) return
        await this.#sendChunk(spool, chunk, producerId, blocked, isCalm)
        if (!isCalm && this.random() < 0.2) return
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
    }
  }

  async #sendChunk(
    spool: Spool,
    chunk: readonly StoredRecord[],
    producerId: number,
    blocked: Set<number>,
    isCalm: boolean,
  ): Promise<void> {
    const batches = new Map<number, StoredRecord[]>()
    for (const one of chunk) {
      const partition = target(one.partition)
      if (blocked.has(partition)) spool.release([one])
      else batches.set(partition, [...(batches.get(partition) ?? []), one])
    }
    const attempts = [...batches].map(([partition, records]): Attempt => {
      const sequence = this.#sequences.get(partition) ?? 0
      this.#sequences.set(partition, sequence + records.length)
      return { topic: 't', partition, producerId, epoch: 0, sequence, records }
    })
    try {
      await spool.journal(attempts)
    } catch {
      spool.release(chunk)
      for (const partition of batches.keys()) blocked.add(partition)
      return
    }
    for (const attempt of attempts) await this.#send(spool, attempt, blocked, isCalm)
  }

  async #send(spool: Spool, attempt: Attempt, blocked: Set<number>, isCalm: boolean): Promise<void> {
    if (this.#isDead) return
    const records = attempt.records as StoredRecord[]
    const dice = isCalm ? 0 : this.random()
    this.say(`${attempt.partition}: ${records.map(textOf)} ${dice < 0.7 ? 'stored' : 'refused'}`)
    if (dice < 0.7) {
      this.brokers.store(attempt, records.map(textOf))
      if (!isCalm && this.random() < 0.1) await new Promise(setImmediate)
      if (this.#isDead) return
      for (const one of records) spool.done(one)
    } else if (dice < 0.8) {
      const [first, ...rest] = records as [StoredRecord, ...StoredRecord[]]
      blocked.add(attempt.partition)
      spool.release(rest)
      await spool.refuse(first, 'bad').catch(() => spool.release([first]))
    } else {
      // Not stored, and the broker says so.
      spool.release(records)
      blocked.add(attempt.partition)
    }
  }

  async #check(): Promise<void> {
    const dead = new Set<string>()
    for await (const { record } of readDeadLetters(this.machine.mount())) dead.add(textOf(record))
    const stored = new Map<string, number>()
    for (const log of this.brokers.logs.values())
      for (const value of log) stored.set(value, (stored.get(value) ?? 0) + 1)
    for (const { value, fate } of this.events.values()) {
      const times = stored.get(value) ?? 0
      if (times > 1) this.violations.push(`${value} (${fate}) is stored ${times} times`)
      if (times === 0 && fate === 'acknowledged' && !dead.has(value)) this.violations.push(`${value} is lost`)
      if (times > 0 && fate === 'not_stored') this.violations.push(`${value} is stored, and should not be`)
    }
    for (const [partition, log] of this.brokers.logs) {
      const latest = new Map<string, number>()
      for (const value of log) {
        const unit = this.events.get(value)?.unit ?? ''
        if (Number(value) < (latest.get(unit) ?? -1))
          this.violations.push(`${value} of partition ${partition} is out of order`)
        latest.set(unit, Number(value))
      }
    }
    this.violations.push(...this.brokers.violations)
  }
}

/** Where an event is sent to: one of unknown partition has its own here, so that the order of each is seen. */
const target = (partition: number) => Math.max(partition, 0)
const textOf = ({ value }: StoredRecord) => `${value}`.trim()
