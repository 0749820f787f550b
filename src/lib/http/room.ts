import { GateError } from '../errors.js'
import { Hold } from './hold.js'

/** How much may be in the service at one time. */
export interface RoomLimits {
  /** Bytes of request bodies, coded and decoded. */
  maxBytes: number
  maxEvents: number
  /** Each request takes some kilobytes, whatever its size. */
  maxRequests: number
}

/** A small request never waits, and may use all of its room. */
export const SMALL_BYTES = 16 * 1024
const SMALL_EVENTS = 64
/** All others leave the rest of the room to small ones, which have as much again when large ones overrun it. */
const ORDINARY_SHARE = 7 / 8
const SMALL_SHARE = 1 / 8
/** A request that needs more than a quarter of the room is large. It runs alone, while others use half at most. */
const LARGE_SHARE = 1 / 4
const HALF = 1 / 2
/** Bytes that arrive before a body can be paused may exceed the room up to this share of it. */
const OVERRUN = 3 / 2
/** About as many bytes of a body arrive before it can be paused again. */
const CHUNK_BYTES = 64 * 1024

interface Waiter {
  hold: Hold
  resume: () => void
}

/** What requests of one delivery use at one time, and who may use more. */
export class Room {
  bytes = 0
  events = 0
  requests = 0
  /** Bytes of bodies that are still arriving. */
  #comingBytes = 0
  /** Bytes of small requests. */
  #smallBytes = 0
  /** Requests whose events are begun, except the one that runs alone. */
  #begun = { bytes: 0, events: 0 }
  #alone: Hold | undefined
  /** Requests whose bodies are arriving. Those that progressed last are at the end. */
  readonly #coming = new Set<Hold>()
  /** The one whose body is read on while arriving bodies fill the room. */
  #ahead: Hold | undefined
  /** Both in the order of arrival. */
  readonly #paused = new Set<Waiter>()
  readonly #queue = new Set<Waiter>()
  /** A small request was refused for its events. Later ones are refused before they are read. */
  #isFull = false

  constructor(readonly limits: RoomLimits) {}

  enter(announced: number, patience: () => number): Hold {
    const { maxEvents, maxRequests } = this.limits
    if (this.requests === maxRequests) throw full(`${maxRequests} requests are in flight`)
    if (this.#isFull) {
      this.#isFull = this.#begun.events > ORDINARY_SHARE * maxEvents
      if (this.#isFull) throw full(`${this.#begun.events} of ${maxEvents} events are in flight`)
    }
    this.#refuseUnlessFits(announced)
    this.requests++
    return new Hold(this, patience)
  }

  grow(hold: Hold, bytes: number): Promise<void> | undefined {
    this.#resize(hold, hold.bytes + bytes)
    this.#comingBytes += bytes
    this.#coming.delete(hold)
    this.#coming.add(hold)
    if (this.#hasRoomOfItsOwn(hold.bytes, 0)) return undefined
    if (this.#shared <= this.#limitFor(hold.bytes)) return undefined
    this.#refuseUnlessFits(hold.bytes)
    if (hold.bytes <= SMALL_BYTES) return this.#giveUp(hold)
    if (this.#ahead === hold) return undefined
    if (!this.#ahead && this.#mayGoAhead) {
      this.#ahead = hold
      return undefined
    }
    if (this.#shared > OVERRUN * this.limits.maxBytes) throw this.#fullOfBytes()
    return this.#wait(this.#paused, hold)
  }

  shrink(hold: Hold, bytes: number): void {
    if (hold.state === 'left') return
    this.#resize(hold, hold.bytes - bytes)
    if (hold.state === 'coming') this.#comingBytes -= bytes
    this.#admit()
  }

  #resize(hold: Hold, bytes: number): void {
    if (hold.bytes <= SMALL_BYTES) this.#smallBytes -= hold.bytes
    if (bytes <= SMALL_BYTES) this.#smallBytes += bytes
    this.bytes += bytes - hold.bytes
    hold.bytes = bytes
  }

  /** Whether a request is small, and small ones with `more` bytes do not exceed what is reserved for them. */
  #hasRoomOfItsOwn(bytes: number, more: number): boolean {
    return bytes <= SMALL_BYTES && this.#smallBytes + more <= SMALL_SHARE * this.limits.maxBytes
  }

  arrived(hold: Hold): void {
    if (hold.state !== 'coming') return
    hold.state = 'whole'
    this.#comingBytes -= hold.bytes
    this.#coming.delete(hold)
    if (this.#ahead === hold) this.#ahead = undefined
    this.#admit()
  }

  begin(hold: Hold, events: number, weight: number): Promise<void> | undefined {
    const { maxBytes, maxEvents } = this.limits
    if (events > maxEvents) {
      throw new GateError(
        'body_too_large',
        `the body holds ${events} events, more than the ${maxEvents} that fit: send fewer at a time`,
      )
    }
    const isSmall = hold.bytes <= SMALL_BYTES && events <= SMALL_EVENTS
    hold.isLarge =
      !isSmall && (Math.max(hold.bytes, weight) > LARGE_SHARE * maxBytes || events > LARGE_SHARE * maxEvents)
    if (hold.isLarge) {
      const begin = () => {
        if (hold.state === 'left') return
        this.#alone = hold
        this.#beginEvents(hold, events)
      }
      if (this.#queue.size === 0 && this.#mayBegin) return void begin()
      return this.#wait(this.#queue, hold).then(begin)
    }
    if (this.#begun.events + events > (isSmall ? maxEvents : ORDINARY_SHARE * maxEvents)) {
      this.#isFull = isSmall
      throw full(`${this.#begun.events} of ${maxEvents} events are in flight`)
    }
    this.#begun.bytes += hold.bytes
    this.#begun.events += events
    this.#beginEvents(hold, events)
    return undefined
  }

  #beginEvents(hold: Hold, events: number): void {
    hold.state = 'begun'
    hold.events = events
    this.events += events
  }

  leave(hold: Hold): void {
    hold.stopWaiting?.()
    if (hold.state === 'coming') this.arrived(hold)
    if (hold.state === 'begun' && !hold.isLarge) {
      this.#begun.bytes -= hold.bytes
      this.#begun.events -= hold.events
    }
    if (this.#alone === hold) this.#alone = undefined
    hold.state = 'left'
    this.#resize(hold, 0)
    this.events -= hold.events
    this.#admit()
  }

  /** Bytes of all requests except the one that runs alone. */
  get #shared(): number {
    return this.bytes - (this.#alone?.bytes ?? 0)
  }

  /** How full the room may be while a body of this size is read. */
  #limitFor(bytes: number): number {
    const { maxBytes } = this.limits
    if (bytes <= SMALL_BYTES) return maxBytes
    return (bytes <= LARGE_SHARE * maxBytes ? ORDINARY_SHARE : HALF) * maxBytes
  }

  get #mayGoAhead(): boolean {
    return this.#shared - this.#comingBytes < ORDINARY_SHARE * this.limits.maxBytes
  }

  get #mayBegin(): boolean {
    const { maxBytes, maxEvents } = this.limits
    const { bytes, events } = this.#begun
    return !this.#alone && bytes <= HALF * maxBytes && events <= HALF * maxEvents
  }

  /** Refuses a body for which begun requests, which may take long, leave no room. A large one waits instead. */
  #refuseUnlessFits(bytes: number): void {
    const { maxBytes } = this.limits
    if (bytes > SMALL_BYTES && bytes > LARGE_SHARE * maxBytes) return
    if (this.#hasRoomOfItsOwn(bytes, bytes)) return
    if (this.#begun.bytes + bytes > this.#limitFor(bytes)) throw this.#fullOfBytes()
  }

  #fullOfBytes(): GateError {
    return full(`${this.bytes} of ${this.limits.maxBytes} bytes are in flight`)
  }

  /** The room is full of bodies that do not arrive. Refuses the one that has not progressed for longest. */
  #giveUp(hold: Hold): undefined {
    for (const slowest of this.#coming) {
      if (slowest === hold || slowest === this.#ahead || !slowest.refused) continue
      slowest.refused(this.#fullOfBytes())
      return undefined
    }
    throw this.#fullOfBytes()
  }

  #wait(waiting: Set<Waiter>, hold: Hold): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer)
        waiting.delete(waiter)
        hold.stopWaiting = undefined
      }
      const waiter: Waiter = {
        hold,
        resume: () => {
          end()
          resolve()
        },
      }
      hold.stopWaiting = () => {
        end()
        reject(this.#fullOfBytes())
      }
      const timer = setTimeout(hold.stopWaiting, Math.max(0, hold.patience()))
      waiting.add(waiter)
    })
  }

  #admit(): void {
    const [next] = this.#queue
    if (next && this.#mayBegin) {
      // The place is taken from now on, although the request continues later.
      this.#alone = next.hold
      next.resume()
    }
    let granted = 0
    for (const waiter of this.#paused) {
      if (this.#shared + granted + CHUNK_BYTES > this.#limitFor(waiter.hold.bytes)) {
        if (this.#ahead || !this.#mayGoAhead) continue
        this.#ahead = waiter.hold
      }
      granted += CHUNK_BYTES
      waiter.resume()
    }
  }
}

function full(why: string): GateError {
  return new GateError('over_capacity', `the service is at its limit: ${why}: send the request again later`)
}
