import type { Delivery } from '../eventgate.js'
import type { Hold } from './hold.js'
import { Room, type RoomLimits } from './room.js'

/**
 * The account of all cost: decides what may come in, and what has to wait. Guaranteed and hasty requests have rooms of
 * their own, so that neither can refuse the other.
 */
export class Admission {
  readonly #rooms: Record<Delivery, Room>

  constructor(limits: Record<Delivery, RoomLimits>) {
    this.#rooms = { guaranteed: new Room(limits.guaranteed), hasty: new Room(limits.hasty) }
  }

  /** Lets a request in that announces this many bytes. Throws `over_capacity` if there is no room for them now. */
  enter(delivery: Delivery, announced: number, patience: () => number): Hold {
    return this.#rooms[delivery].enter(announced, patience)
  }

  /** How much may be inside. */
  room(delivery: Delivery): RoomLimits {
    return this.#rooms[delivery].limits
  }

  /** What is inside now. */
  inFlight(delivery: Delivery): { bytes: number; events: number } {
    const { bytes, events } = this.#rooms[delivery]
    return { bytes, events }
  }
}
