import { GateError } from './errors.js'
import type { Delivery } from './eventgate.js'

/** What may be in the service at one time. */
export interface Room {
  /** Of request bodies, after decompression. */
  maxBytes: number
  maxEvents: number
  /** Each weighs some kilobytes, whatever it holds. */
  maxRequests: number
}

/**
 * Of an announced length, this much is set aside before any of it has come: what most requests need. More
 * would let a client hold the whole room with a few words about how much it is going to send.
 */
const ADVANCE_BYTES = 64 * 1024

/** A request's hold on room. To be given back by `leave`, once. */
export interface Ticket {
  /** Bytes that have come. Throws `over_capacity`. */
  addBytes(bytes: number): void
  /** Throws `over_capacity`, or `body_too_large` for more events than could ever be held. */
  addEvents(events: number): void
  /** Its request is answered, and forgotten: from now on only what it brought takes room. */
  answered(): void
  leave(): void
}

/**
 * Decides what may come in. Guaranteed and hasty requests have rooms of their own, so that neither can refuse
 * the other. Room is taken for a request as a whole, before any of its events is.
 */
export class Admission {
  readonly #seats: Record<Delivery, Seat>

  constructor(rooms: Record<Delivery, Room>) {
    this.#seats = { guaranteed: new Seat(rooms.guaranteed), hasty: new Seat(rooms.hasty) }
  }

  /** Lets a request in that announces this many bytes. Throws `over_capacity` if there is no room for them now. */
  enter(delivery: Delivery, bytes: number): Ticket {
    const seat = this.#seats[delivery]
    seat.check()
    return new HeldTicket(seat, bytes)
  }

  /** How much may be inside. */
  room(delivery: Delivery): Room {
    return this.#seats[delivery].room
  }

  /** What is inside now. */
  inFlight(delivery: Delivery): { bytes: number; events: number } {
    const { bytes, events } = this.#seats[delivery]
    return { bytes, events }
  }
}

/** Where a request was refused for its events, those that come are refused unread while more than this share is taken. */
const FULL_SHARE = 7 / 8

class Seat {
  bytes = 0
  events = 0
  requests = 0
  /** A request was refused for its events, which takes reading them first. */
  #full = false

  constructor(readonly room: Room) {}

  /** Throws where a request, or its events, would most likely not fit. */
  check(): void {
    const { maxEvents, maxRequests } = this.room
    if (this.requests === maxRequests) throw full(`${maxRequests} requests are in flight`)
    if (!this.#full) return
    this.#full = this.events > FULL_SHARE * maxEvents
    if (this.#full) throw full(`${this.events} of ${maxEvents} events are in flight`)
  }

  checkBytes(bytes: number): void {
    if (this.bytes + bytes > this.room.maxBytes)
      throw full(`${this.bytes} of ${this.room.maxBytes} bytes are in flight`)
  }

  takeBytes(bytes: number): void {
    this.checkBytes(bytes)
    this.bytes += bytes
  }

  takeEvents(events: number): void {
    const { maxEvents } = this.room
    if (events > maxEvents) {
      throw new GateError(
        'body_too_large',
        `the body holds ${events} events, more than the ${maxEvents} that fit: send fewer at a time`,
      )
    }
    if (this.events + events > maxEvents) {
      this.#full = true
      throw full(`${this.events} of ${maxEvents} events are in flight`)
    }
    this.events += events
  }
}

class HeldTicket implements Ticket {
  #bytes = 0
  /** Of them, those that have not come yet. */
  #ahead: number
  #events = 0
  #answered = false
  #left = false

  constructor(
    readonly seat: Seat,
    announced: number,
  ) {
    seat.checkBytes(announced)
    seat.requests++
    this.#ahead = Math.min(announced, ADVANCE_BYTES)
    this.#take(this.#ahead)
  }

  addBytes(bytes: number): void {
    const ahead = Math.min(bytes, this.#ahead)
    this.#take(bytes - ahead)
    this.#ahead -= ahead
  }

  #take(bytes: number): void {
    this.seat.takeBytes(bytes)
    this.#bytes += bytes
  }

  addEvents(events: number): void {
    this.seat.takeEvents(events)
    this.#events += events
  }

  answered(): void {
    if (this.#answered) return
    this.#answered = true
    this.seat.requests--
  }

  leave(): void {
    if (this.#left) return
    this.#left = true
    this.answered()
    this.seat.bytes -= this.#bytes
    this.seat.events -= this.#events
  }
}

function full(why: string): GateError {
  return new GateError('over_capacity', `the service is at its bound: ${why}: send the request again later`)
}
