import type { Stream } from '../eventgate.js'

/** Streams that nobody configured and that have a label of their own. Clients make up names. */
const MAX_OTHERS = 1000
export const UNKNOWN = 'unknown'

/**
 * The label of each stream. A configured one has the name that it is configured by. Any other has its own once an
 * event of it was stored.
 */
export class StreamLabels {
  readonly #others = new Set<string>()

  of(stream: Stream | undefined): string {
    if (stream === undefined) return UNKNOWN
    return stream.configuredAs ?? (this.#others.has(stream.name) ? stream.name : UNKNOWN)
  }

  /** An event of the stream was stored. */
  ofStored(stream: Stream | undefined): string {
    if (stream && stream.configuredAs === undefined && this.#others.size < MAX_OTHERS)
      this.#others.add(stream.name)
    return this.of(stream)
  }
}
