/** How often a partition had a new leader, where brokers tell: by that an answer is known to be out of date. */
export class LeaderEpoch {
  #epoch: number | undefined
  /** A lesser one that a broker told of. */
  #older: { epoch: number; from: string | undefined } | undefined

  /**
   * Whether what a broker says of the leader is not out of date. A lesser epoch is that of a broker which is behind,
   * unless two say the same: then the topic was made anew.
   */
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
