import { PositionSet } from './position-set.js'
import type { Place } from './record.js'
import type { Segment } from './segment.js'
import { type Group, Units } from './units.js'

/** What is known of the log without reading it. It grows with the number of segments, and by a bit for each record that is done. */
export class Index {
  readonly units = new Units()
  /** By position. The last may be written to. */
  readonly segments: Segment[] = []
  /** Positions in segments that are there. */
  done = new PositionSet()
  /** Positions that a pass has answered and nobody has released. */
  readonly taken = new PositionSet()
  /** What hasty records take that are not done, about. */
  hastyBytes = 0

  /** The first segment that has positions from this one on. */
  from(position: number): Segment | undefined {
    const { segments } = this
    let low = 0
    let high = segments.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((segments[middle] as Segment).end <= position) low = middle + 1
      else high = middle
    }
    return segments[low]
  }

  /** Adds segments as they were found, with what is done in them. */
  adopt(segments: readonly Segment[], done: PositionSet): void {
    this.segments.push(...segments)
    this.done = done
    for (const { counts } of segments)
      for (const [group, { total, done }] of counts) if (total > done) this.units.add(group, total - done)
    this.units.prune()
    this.#countHasty()
  }

  /** The segment of a record that was not done before. */
  markDone(place: Place): Segment | undefined {
    const segment = this.from(place.position)
    if (!segment || segment.base > place.position || !this.done.add(place.position)) return undefined
    const group = this.units.groupOf(place)
    const count = segment.counts.get(group)
    segment.markDone(group)
    if (place.delivery === 'hasty' && count) this.hastyBytes -= count.bytes / count.total
    this.units.remove(group)
    return segment
  }

  /** Puts a segment in the place of others, of which it has what is not done; undefined: nothing of them is left. */
  replace(old: readonly Segment[], by: Segment | undefined): void {
    const [first] = old
    if (!first) return
    this.segments.splice(this.segments.indexOf(first), old.length, ...(by ? [by] : []))
    const left = new Map<Group, number>()
    for (const { counts } of old)
      for (const [group, { total, done }] of counts) left.set(group, (left.get(group) ?? 0) + total - done)
    // What is missing was damaged.
    for (const [group, count] of left) this.#lose(group, count - undoneOf(by, group))
    if (!by) this.done.deleteRange(first.base, (old.at(-1) as Segment).end)
    this.#countHasty()
  }

  /** Corrects the counts of a segment, of which records turned out to be damaged. */
  recount(segment: Segment, { counts, records, undone }: Segment): void {
    const before = new Map([...segment.counts].map(([group, { total, done }]) => [group, total - done]))
    segment.counts.clear()
    for (const [group, count] of counts) segment.counts.set(group, count)
    segment.records = records
    segment.undone = undone
    for (const [group, count] of before) this.#lose(group, count - undoneOf(segment, group))
    this.#countHasty()
  }

  #lose(group: Group, count: number): void {
    if (count > 0) this.units.remove(group, count)
  }

  #countHasty(): void {
    this.hastyBytes = 0
    for (const { counts } of this.segments)
      for (const [{ delivery }, { total, bytes, done }] of counts)
        if (delivery === 'hasty') this.hastyBytes += (bytes * (total - done)) / total
  }
}

function undoneOf(segment: Segment | undefined, group: Group): number {
  const count = segment?.counts.get(group)
  return count ? count.total - count.done : 0
}
