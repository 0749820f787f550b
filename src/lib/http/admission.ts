import type { Delivery } from '../eventgate.js'
import type { Hold } from './hold.js'
import { Room, type RoomLimits } from './room.js'

/**
 * The account of what requests cost. Decides which are admitted, and which have to wait. Guaranteed and hasty requests
 * have separate rooms, so that neither can use up that of the other.
 */
export class Admission {
  readonly #rooms: Record<Delivery, Room>

  constructor(limits: Record<Delivery, RoomLimits>) {
    this.#rooms = { guaranteed: new Room(limits.guaranteed), hasty: new Room(limits.hasty) }
  }

  /** Admits a request that announces this many bytes. Throws `over_capacity` if there is no room for them now. */
  enter(delivery: Delivery, announced: number, patience: () => number): Hold {
    return this.#rooms[delivery].enter(announced, patience)
  }

  /** How much may be in flight. */
  room(delivery: Delivery): RoomLimits {
    return this.#rooms[delivery].limits
  }

  /** How much is in flight. */
  inFlight(delivery: Delivery): { bytes: number; events: number } {
    const { bytes, events } = this.#rooms[delivery]
    return { bytes, events }
  }
}
