import type { GateError } from '../errors.js'
import type { Room } from './room.js'

/** A request's hold on room. To be given back by `leave`. */
export class Hold {
  readonly #room: Room
  /** How long it may wait from now on (ms). */
  readonly patience: () => number
  bytes = 0
  events = 0
  state: 'coming' | 'whole' | 'begun' | 'left' = 'coming'
  isLarge = false
  /** Called when its body does not arrive and its room goes to others. */
  refused: ((error: GateError) => void) | undefined
  /** Makes it stop waiting: the promise that it waits for rejects. */
  stopWaiting: (() => void) | undefined
  #answered = false

  constructor(room: Room, patience: () => number) {
    this.#room = room
    this.patience = patience
  }

  /** Charges bytes that have arrived. Resolves when more may; undefined if that is now. Throws `over_capacity`. */
  grow(bytes: number): Promise<void> | undefined {
    return this.#room.grow(this, bytes)
  }

  /** Gives back bytes that it does not keep. */
  shrink(bytes: number): void {
    this.#room.shrink(this, bytes)
  }

  /** Its body has arrived as a whole. */
  arrived(): void {
    this.#room.arrived(this)
  }

  /**
   * Charges its events before any is parsed. `weight` is what parsing the heaviest makes. A large request resolves when
   * it may run alone; undefined if it may begin now. Throws `over_capacity`, or `body_too_large` if so many events never
   * fit.
   */
  begin(events: number, weight = 0): Promise<void> | undefined {
    return this.#room.begin(this, events, weight)
  }

  /** Its request is answered. From now on only its body and events take room. */
  answered(): void {
    if (this.#answered) return
    this.#answered = true
    this.#room.requests--
  }

  leave(): void {
    if (this.state === 'left') return
    this.answered()
    this.#room.leave(this)
  }
}
