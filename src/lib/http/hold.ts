import type { GateError } from '../errors.js'
import type { Room } from './room.js'

/** A request's hold on room. To be given back by `leave`. */
export class Hold {
  readonly #room: Room
  /** How long it may wait from now on, milliseconds. */
  readonly patience: () => number
  bytes = 0
  events = 0
  state: 'coming' | 'whole' | 'begun' | 'left' = 'coming'
  isLarge = false
  /** Called when its room goes to others, because its body does not come. */
  refused: ((error: GateError) => void) | undefined
  /** Ends its waiting, which then rejects. */
  stopWaiting: (() => void) | undefined
  #answered = false

  constructor(room: Room, patience: () => number) {
    this.#room = room
    this.patience = patience
  }

  /** Charges bytes that have come. Undefined if more may come; else resolves when they may. Throws `over_capacity`. */
  grow(bytes: number): Promise<void> | undefined {
    return this.#room.grow(this, bytes)
  }

  /** Gives back bytes that it does not keep. */
  shrink(bytes: number): void {
    this.#room.shrink(this, bytes)
  }

  /** Its body is whole. */
  arrived(): void {
    this.#room.arrived(this)
  }

  /**
   * Charges its events, before any of them is parsed; `weight` is what the heaviest becomes. Undefined if they may be
   * begun; resolves when it is alone, for a large request. Throws `over_capacity`, or `body_too_large` for more events
   * than could ever be held.
   */
  begin(events: number, weight = 0): Promise<void> | undefined {
    return this.#room.begin(this, events, weight)
  }

  /** Its request is answered, and forgotten: from now on only what it brought takes room. */
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
