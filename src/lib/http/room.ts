import { GateError } from '../errors.js'
import { Hold } from './hold.js'

/** What may be in the service at one time. */
export interface RoomLimits {
  /** Of request bodies, as they came and as they are decoded. */
  maxBytes: number
  maxEvents: number
  /** Each weighs some kilobytes, whatever it holds. */
  maxRequests: number
}

/** A small request never waits, and may use all of its room. */
export const SMALL_BYTES = 16 * 1024
const SMALL_EVENTS = 64
/** All others leave the rest of their room to small ones, which have as much of their own where large ones overrun it. */
const ORDINARY_SHARE = 7 / 8
const SMALL_SHARE = 1 / 8
/** What needs more than a quarter of its room is large: it is served alone, while others use no more than half. */
const LARGE_SHARE = 1 / 4
const HALF = 1 / 2
/** What comes of paused bodies before they can be paused may go beyond the room by this share. */
const OVERRUN = 3 / 2
/** About as much comes of a body before it can be paused again. */
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
  /** Of bodies that are still coming. */
  #comingBytes = 0
  /** Of small requests. */
  #smallBytes = 0
  /** Of requests whose events are begun, but the one that is alone. */
  #begun = { bytes: 0, events: 0 }
  #alone: Hold | undefined
  /** Bodies that are coming, the one that got on last at the end. */
  readonly #coming = new Set<Hold>()
  /** Where bodies that come fill the room, the one that goes on. */
  #ahead: Hold | undefined
  /** Both in the order of coming. */
  readonly #paused = new Set<Waiter>()
  readonly #queue = new Set<Waiter>()
  /** A small request was refused for its events, which takes reading them first. */
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

  /** Whether a request is small, and small ones, with this many bytes more, are within what is kept for them. */
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
        this.#begin(hold, events)
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
    this.#begin(hold, events)
    return undefined
  }

  #begin(hold: Hold, events: number): void {
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

  /** What is in it but for the one that is alone. */
  get #shared(): number {
    return this.bytes - (this.#alone?.bytes ?? 0)
  }

  /** How full the room may be for a body of so many bytes to come. */
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

  /** What is begun leaves no room for it, and may take long. A large one waits nevertheless. */
  #refuseUnlessFits(bytes: number): void {
    const { maxBytes } = this.limits
    if (bytes > SMALL_BYTES && bytes > LARGE_SHARE * maxBytes) return
    if (this.#hasRoomOfItsOwn(bytes, bytes)) return
    if (this.#begun.bytes + bytes > this.#limitFor(bytes)) throw this.#fullOfBytes()
  }

  #fullOfBytes(): GateError {
    return full(`${this.bytes} of ${this.limits.maxBytes} bytes are in flight`)
  }

  /** The room is full of bodies that do not come: that which has not got on for longest makes room for this one. */
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
      // Its place is its own from now on, though it goes on later.
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
  return new GateError('over_capacity', `the service is at its bound: ${why}: send the request again later`)
}
