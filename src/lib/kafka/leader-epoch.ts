/** How often a partition had a new leader, where brokers tell: by that an answer is known to be out of date. */
export class LeaderEpoch {
  #epoch: number | undefined
  /** A lesser one that a broker told of. */
  #older: { epoch: number; from: string | undefined } | undefined

  /** Whether a broker is not out of date. If two brokers tell the same lesser epoch, the topic was made anew. */
  isNews(epoch: number | undefined, from: string | undefined): boolean {
    if (epoch === undefined) return true
    if (this.#epoch !== undefined && epoch < this.#epoch) {
      const older = this.#older
      this.#older = { epoch, from }
      if (older?.epoch !== epoch || older.from === from) return false
    }
    this.#epoch = epoch
    this.#older = undefined
    return true
  }

  forget(): void {
    this.#epoch = undefined
  }
}
