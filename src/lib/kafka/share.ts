/** What events hold of a room. */
interface Held {
  bytes: number
  messages: number
}

/** Of the room, what is not well may hold this part in all; the rest is for what is well. */
const NOT_KEEPING_UP_PART = 3 / 4
/** And this part one topic in which events have waited for long. A failover takes 8 to 12 s, and all may wait for that. */
const TOPIC_PART = 1 / 8
/** A topic that has stalled for a moment at most may always hold this part: each is slow for a moment now and then. */
const MOMENT_PART = 1 / 64
/** What has waited so long, and for the whole timeout at most, has waited for long. */
export const LONG_MS = 10_000

/** The room of a producer, or what the service lets in of it, if that is less. */
export class QueueRoom {
  readonly notKeepingUp: Held = { bytes: 0, messages: 0 }

  constructor(
    readonly maxBytes: number,
    readonly maxMessages: number,
  ) {}
}

/** What the events of one partition hold, or those of a topic that wait to learn theirs. */
export class Share {
  #bytes = 0
  #messages = 0
  #isSick = false

  constructor(
    readonly room: QueueRoom,
    /** What all of the topic holds that is not well. */
    readonly topic: Held,
  ) {}

  /** Whether its holder, which is not well, may take an event; `isBrief`: it has stalled for a moment at most. */
  hasPlace(bytes: number, hasWaitedLong: boolean, isBrief: boolean): boolean {
    if (isBrief && this.#fits(this.topic, bytes, MOMENT_PART)) return true
    if (!this.#fits(this.room.notKeepingUp, bytes, NOT_KEEPING_UP_PART)) return false
    return !hasWaitedLong || this.#fits(this.topic, bytes, TOPIC_PART)
  }

  #fits({ bytes, messages }: Held, more: number, part: number): boolean {
    return bytes + more <= part * this.room.maxBytes && messages < part * this.room.maxMessages
  }

  /** Tells whether its holder is well; answers the same. */
  update(isWell: boolean): boolean {
    if (this.#isSick === isWell) {
      this.#isSick = !isWell
      this.#count(isWell ? -this.#bytes : this.#bytes, isWell ? -this.#messages : this.#messages)
    }
    return isWell
  }

  add(bytes: number, messages: number): void {
    this.#bytes += bytes
    this.#messages += messages
    if (this.#isSick) this.#count(bytes, messages)
  }

  #count(bytes: number, messages: number): void {
    for (const held of [this.room.notKeepingUp, this.topic]) {
      held.bytes += bytes
      held.messages += messages
    }
  }
}

/** An event holds room of this share, and no longer of another. */
export function hold(
  event: { readonly size: number; share: Share | undefined },
  share: Share | undefined,
): void {
  event.share?.add(-event.size, -1)
  share?.add(event.size, 1)
  event.share = share
}
