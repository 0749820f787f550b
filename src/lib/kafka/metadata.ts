import { backoffMs } from './backoff.js'
import type { Pending } from './batch.js'
import type { Partition } from './partition.js'
import { describe, isMisfit, meaningOf } from './response-codes.js'
import type { Topic } from './topic.js'
import type { Clock, ControlQuestions, Waker } from './transport.js'
import type { TopicMetadata } from './wire/protocol.js'

export interface MetadataSettings {
  /** Metadata is asked for at least this often. */
  readonly metadataMaxAgeMs: number
}

export interface MetadataHost extends Waker {
  make(topic: string): Topic
  /** The partition of an event that has waited for that is known. */
  place(partition: Partition, record: Pending): void
  /** Topics were forgotten. */
  forgotten(): void
  /** No broker could be asked; `misfit`: for good, as far as brokers can tell. */
  trouble(message: string, misfit: boolean): void
}

/** Between two requests for metadata. */
const PAUSE_MS = 100
const MAX_PAUSE_MS = 1000
/** A topic that was not produced to for this long is forgotten. */
const FORGET_MS = 15 * 60_000
/** Topics that are kept; of them, those that events wait for, and those that are asked about at one time. */
const MAX_TOPICS = 20_000
const MAX_UNKNOWN = 1000
const MAX_ASKED = 100
/** A known topic that brokers deny for so long was deleted. While events come it may be created, once in this time. */
const GONE_MS = 5000
const LATELY_MS = 20_000
const UNKNOWN_TOPIC = 3
/** A topic that is still unknown so long after its creation was asked for may collide with another one. */
const COLLIDES_MS = 1000
/** Between two questions for the names of all topics. */
const NAMES_MS = 10_000
/** Questions in a row without an answer, each to another broker: one that is silent is no outage. */
const FEW = 3
/** After so long the last failure does not show an outage any more: during one questions come more often. */
const LATE_MS = 30_000

/**
 * The topics that are produced to, and who leads their partitions. Asks for metadata one request at a time.
 *
 * While an event waits, its topic is asked for in a way that may create it. For a topic that was known this begins
 * after a while, because brokers that restart do not know it for a moment.
 */
export class Metadata {
  readonly #topics = new Map<string, Topic>()
  /** Topics that events wait for to learn their partition, or were refused for while no broker answered. */
  readonly #unknown = new Set<Topic>()
  #asking = false
  /** Known topics whose leaders may have changed; those that no event waits for are asked about more seldom. */
  readonly #wanted = new Set<string>()
  readonly #idle = new Set<string>()
  /** The broker that failed, and had better not be asked. */
  #avoid: number | undefined
  /** When idle topics may be asked about again, and its pause after that. */
  #idleAt = 0
  #idlePause = PAUSE_MS
  #lastForNew = false
  #notBefore = 0
  /** The same for what is known already. */
  #refreshNotBefore = 0
  #failures = 0
  /** The latest failure: when, by the clock, and for a person. */
  #failedAt = -Infinity
  #problem = ''
  #refreshedAt: number
  /** When the names of all topics may be asked for; Infinity while they are. */
  #namesAt = 0

  constructor(
    readonly settings: MetadataSettings,
    readonly control: ControlQuestions,
    readonly clock: Clock,
    readonly host: MetadataHost,
  ) {
    this.#refreshedAt = clock.now()
  }

  /** Topics that events may wait for. */
  get unknown(): Iterable<Topic> {
    return this.#unknown
  }

  get(name: string): Topic | undefined {
    return this.#topics.get(name)
  }

  /** Undefined where one more would be too many: clients may make up names. */
  topic(name: string): Topic | undefined {
    let topic = this.#topics.get(name)
    if (!topic && this.#hasRoom()) {
      topic = this.host.make(name)
      this.#topics.set(name, topic)
    }
    return topic
  }

  #hasRoom(): boolean {
    if (this.#unknown.size >= MAX_UNKNOWN) return false
    if (this.#topics.size < MAX_TOPICS) return true
    for (const [name, topic] of this.#topics)
      if (!topic.known && topic.idle && !this.#unknown.has(topic)) return this.#topics.delete(name)
    return false
  }

  /** A topic's leaders may have changed: asks again as soon as it may, and rather not the broker that failed. */
  refresh(topic: string, failed?: number): void {
    this.#wanted.add(topic)
    if (failed !== undefined) this.#avoid = failed
  }

  /** As `refresh`, for what no event waits for: less and less often while nothing changes, as in a long outage. */
  refreshIdle(topic: string, failed?: number): void {
    this.#idle.add(topic)
    if (failed !== undefined) this.#avoid = failed
  }

  #refreshIdle(now: number): void {
    if (this.#idle.size === 0) return
    if (now >= this.#idleAt) {
      if (now > this.#idleAt + MAX_PAUSE_MS) this.#idlePause = PAUSE_MS
      for (const name of this.#idle) this.#wanted.add(name)
      this.#idle.clear()
      this.#idleAt = now + this.#idlePause
      this.#idlePause = Math.min(2 * this.#idlePause, MAX_PAUSE_MS)
    }
    this.host.wake(this.#idleAt)
  }

  /** Keeps an event until its topic's partitions are known. */
  await(topic: Topic, record: Pending): void {
    const now = this.clock.now()
    topic.wait(record, now)
    this.#unknown.add(topic)
    // Later the other topic may be gone.
    if (now < this.#namesAt) topic.refuseBesideRival()
  }

  /** Whether no broker can be reached, as far as is known: the last few questions, of late, were not answered. */
  isCutOff(now: number): boolean {
    return this.#failures >= FEW && now - this.#failedAt <= LATE_MS
  }

  /** Opens an unknown topic's breaker before an event has waited. It is asked about until a broker answers. */
  tripEarly(topic: Topic): void {
    if (topic.breaker.isClosed) topic.breaker.trip(this.#problem)
    this.#unknown.add(topic)
  }

  /** Answers the waiting events whose deadline has come. */
  expire(now: number): void {
    for (const topic of this.#unknown) {
      topic.expire(now)
      if (topic.waiting.length === 0 && !topic.breaker.needsProbe) this.#unknown.delete(topic)
      this.host.wake(topic.deadline)
    }
  }

  /** Answers all that wait. */
  abandon(): void {
    for (const topic of this.#unknown) topic.fail('deadline_not_stored', topic.takeWaiting())
  }

  /** Asks for metadata, if any is wanted and it may. */
  learn(now: number): void {
    if (this.#asking) return
    this.#refreshIdle(now)
    const unknown: string[] = []
    const allAt = this.#refreshedAt + this.settings.metadataMaxAgeMs
    const refreshAt = this.#wanted.size > 0 ? Math.min(allAt, this.#refreshNotBefore) : allAt
    const refresh = refreshAt <= now
    let next = refreshAt
    for (const topic of this.#unknown) {
      if (topic.askAt <= now && unknown.length < MAX_ASKED) unknown.push(topic.name)
      else next = Math.min(next, topic.askAt)
    }
    const isWanted = unknown.length > 0 || refresh
    if (!isWanted || this.#notBefore > now) {
      this.host.wake(isWanted ? this.#notBefore : next)
      return
    }
    // By turns, so that neither kind keeps the other from being asked.
    this.#lastForNew = unknown.length > 0 && !(refresh && this.#lastForNew)
    if (this.#lastForNew) {
      this.#ask(unknown, true)
      return
    }
    if (allAt <= now) {
      this.#refreshedAt = now
      this.#forget(now)
      for (const name of this.#topics.keys()) this.#wanted.add(name)
    }
    const known = [...this.#wanted].filter(name => this.#topics.get(name)?.known)
    const gone = known.filter(name => this.#isGone(name, now)).slice(0, MAX_ASKED)
    this.#wanted.clear()
    if (gone.length > 0) {
      for (const name of known) if (!gone.includes(name)) this.#wanted.add(name)
      this.#ask(gone, true)
    } else if (known.length > 0) this.#ask(known, false)
    else this.host.wake(now + (unknown.length > 0 ? PAUSE_MS : this.settings.metadataMaxAgeMs))
  }

  #isGone(name: string, now: number): boolean {
    const { goneSince = now, used } = this.#topics.get(name) as Topic
    return now - goneSince >= GONE_MS && now - used < LATELY_MS
  }

  #ask(topics: readonly string[], asNew: boolean): void {
    this.#asking = true
    // Whatever the answer says of them, they are not asked about again at once.
    const askAt = this.clock.now() + PAUSE_MS
    if (asNew) for (const name of topics) (this.#topics.get(name) as Topic).askAt = askAt
    void this.control
      .metadata(topics, asNew, this.#avoid)
      .then(
        answers => {
          this.#failures = 0
          this.#avoid = undefined
          for (const answer of answers) this.#learned(answer, asNew)
          // Clients wait for those that did not fit into the question.
          return asNew && topics.length === MAX_ASKED ? 0 : PAUSE_MS
        },
        (error: Error) => {
          const misfit = isMisfit(error)
          this.host.trouble(`no metadata: ${error.message}`, misfit)
          for (const name of topics) if (this.#topics.get(name)?.known) this.#wanted.add(name)
          this.#problem = error.message
          this.#failedAt = this.clock.now()
          for (const topic of this.#unknown) {
            topic.breaker.problem = error.message
            if (misfit) topic.fail('kafka_misconfigured', topic.takeWaiting())
          }
          return backoffMs(this.#failures++, PAUSE_MS, MAX_PAUSE_MS)
        },
      )
      .then(pause => {
        this.#asking = false
        const now = this.clock.now()
        this.#notBefore = now + pause
        this.#refreshNotBefore = now + Math.max(pause, PAUSE_MS)
        this.host.wake()
      })
  }

  #learned(answer: TopicMetadata, asNew: boolean): void {
    const topic = this.#topics.get(answer.topic)
    if (!topic) return
    topic.breaker.reachable()
    if (topic.update(answer)) this.#idlePause = PAUSE_MS
    // The next event should find its leader known: when it comes, brokers may not answer.
    if (!topic.isLed) this.refreshIdle(topic.name)
    const now = this.clock.now()
    if (topic.known) {
      if (answer.code !== UNKNOWN_TOPIC) topic.goneSince = undefined
      else if (asNew || topic.goneSince === undefined) topic.goneSince = now
      this.#unknown.delete(topic)
      for (const record of [...topic.takeWaiting(), ...topic.takeStranded()])
        this.host.place(topic.placeOf(record, now), record)
    } else if (asNew) {
      topic.breaker.problem = answer.code === 0 ? 'it has no partitions yet' : describe(answer.code)
      topic.askAt = now + backoffMs(topic.asked++, PAUSE_MS, MAX_PAUSE_MS)
      topic.unknownSince ??= now
      if (now - topic.unknownSince >= COLLIDES_MS && /[._]/.test(topic.name)) this.#findRivals(now)
      if (meaningOf(answer.code).error === 'topic_refused') topic.fail('topic_refused', topic.takeWaiting())
    }
  }

  /** Brokers create no topic whose name differs from another's only in `.` and `_`, and newer ones do not say so. */
  #findRivals(now: number): void {
    if (now < this.#namesAt) return
    this.#namesAt = Infinity
    void this.control
      .topicNames()
      .catch(() => [])
      .then(names => {
        this.#namesAt = this.clock.now() + NAMES_MS
        const existing = new Set(names)
        const byLikeness = new Map(names.map(name => [likeness(name), name]))
        for (const topic of this.#topics.values()) {
          if (topic.known) continue
          topic.rival = existing.has(topic.name) ? undefined : byLikeness.get(likeness(topic.name))
          topic.refuseBesideRival()
        }
        this.host.wake()
      })
  }

  /** Their partitions, should they come back, count from 0 again: the host must give them another identity. */
  #forget(now: number): void {
    for (const [name, topic] of this.#topics) {
      if (now - topic.used < FORGET_MS || !topic.idle) continue
      this.#topics.delete(name)
      this.#unknown.delete(topic)
      this.host.forgotten()
    }
  }
}

/** The same for topics of which brokers create one only. */
function likeness(name: string): string {
  return name.replaceAll('.', '_')
}
