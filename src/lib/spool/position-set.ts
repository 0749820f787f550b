/** Positions of one chunk. */
const CHUNK = 4096

/** A set of positions that are close together: a bit each. */
export class PositionSet {
  readonly #chunks = new Map<number, Uint8Array>()

  has(position: number): boolean {
    const chunk = this.#chunks.get(Math.floor(position / CHUNK))
    const bit = position % CHUNK
    return chunk !== undefined && ((chunk[bit >> 3] as number) & (1 << (bit & 7))) !== 0
  }

  /** Whether it was not there before. */
  add(position: number): boolean {
    const index = Math.floor(position / CHUNK)
    let chunk = this.#chunks.get(index)
    if (!chunk) {
      chunk = new Uint8Array(CHUNK / 8)
      this.#chunks.set(index, chunk)
    }
    const bit = position % CHUNK
    const byte = chunk[bit >> 3] as number
    chunk[bit >> 3] = byte | (1 << (bit & 7))
    return chunk[bit >> 3] !== byte
  }

  delete(position: number): void {
    const index = Math.floor(position / CHUNK)
    const chunk = this.#chunks.get(index)
    const bit = position % CHUNK
    const byte = chunk?.[bit >> 3] ?? 0
    if (!chunk || (byte & (1 << (bit & 7))) === 0) return
    chunk[bit >> 3] = byte & ~(1 << (bit & 7))
    // Looked at where its last byte becomes empty only, because that costs more than the rest.
    if (chunk[bit >> 3] === 0 && chunk.every(other => other === 0)) this.#chunks.delete(index)
  }

  /** All from `base` up to `end`, which is not one of them. */
  deleteRange(base: number, end: number): void {
    for (const index of this.#indexes(base, end)) {
      const from = index * CHUNK
      if (base <= from && from + CHUNK <= end) this.#chunks.delete(index)
      else
        for (let at = Math.max(base, from); at < Math.min(end, from + CHUNK); at++)
          if (this.has(at)) this.delete(at)
    }
  }

  /** What it has of this range, to be written down. */
  export(base: number, end: number): [chunk: number, bits: string][] {
    return this.#indexes(base, end).map(index => [
      index,
      Buffer.from(this.#chunks.get(index) as Uint8Array).toString('base64'),
    ])
  }

  /** Adds what was written down. */
  import(chunks: readonly [chunk: number, bits: string][]): void {
    for (const [index, bits] of chunks) {
      const chunk = this.#chunks.get(index) ?? new Uint8Array(CHUNK / 8)
      this.#chunks.set(index, chunk)
      const more = Buffer.from(bits, 'base64')
      for (let i = 0; i < chunk.length; i++) chunk[i] = (chunk[i] as number) | (more[i] ?? 0)
    }
  }

  /** Chunks that this range touches. There are fewer of them in it, or in all, whichever is less to look at. */
  #indexes(base: number, end: number): number[] {
    const first = Math.floor(base / CHUNK)
    const last = Math.floor((end - 1) / CHUNK)
    if (last - first > this.#chunks.size)
      return [...this.#chunks.keys()].filter(index => index >= first && index <= last)
    const indexes: number[] = []
    for (let index = first; index <= last; index++) if (this.#chunks.has(index)) indexes.push(index)
    return indexes
  }
}
