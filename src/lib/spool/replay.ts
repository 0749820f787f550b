import { type Entry, placesOf } from './journal-entries.js'
import { PositionSet } from './position-set.js'
import type { Attempt, Place } from './record.js'
import type { Segment } from './segment.js'
import type { Units } from './units.js'

export interface Replayed {
  readonly done: PositionSet
  /** The last attempts of partitions that may or may not be stored. */
  readonly inDoubt: Attempt[]
  /** No position from it on was given. */
  next: number
  deadLetters: number
  /** Bases of the segments that must be there, and of those that must not. */
  readonly expected: Set<number>
  readonly removed: Set<number>
}

/** Goes through a journal: what is done is counted in the segments, sorted by position, that were found. */
export function replay(entries: readonly Entry[], segments: readonly Segment[], units: Units): Replayed {
  const done = new PositionSet()
  const last = new Map<string, Attempt & { id: number }>()
  const all: Replayed = {
    done,
    inDoubt: [],
    next: 0,
    deadLetters: 0,
    expected: new Set(),
    removed: new Set(),
  }
  const stated = new Set<number>()
  const note = (position: number) => {
    all.next = Math.max(all.next, position)
  }
  const finish = (places: readonly Place[]) => {
    for (const place of places) {
      if (!done.add(place.position)) continue
      const segment = segmentOf(segments, place.position)
      if (segment && place.position < segment.end) segment.markDone(units.groupOf(place))
    }
  }
  for (const entry of entries)
    switch (entry.kind) {
      case 'begin':
        note(entry.next)
        all.deadLetters = entry.deadLetters
        break
      case 'opened':
        note(entry.base + 1)
        all.expected.add(entry.base)
        break
      case 'removed':
        all.expected.delete(entry.base)
        all.removed.add(entry.base)
        break
      case 'state': {
        all.expected.add(entry.base)
        done.import(entry.done)
        const segment = segments.find(({ base }) => base === entry.base)
        if (!segment) break
        // It was compacted since: what is done of its records must be counted.
        if (segment.generation !== entry.generation) segment.needsScan = true
        for (const [topic, partition, stream, delivery, count] of entry.counts)
          segment.addDone(units.groupOf({ topic, partition, stream, delivery }), count)
        stated.add(entry.base)
        break
      }
      case 'attempt': {
        const places = placesOf(entry)
        const { id, topic, partition, producerId, epoch, sequence } = entry
        const key = partitionKey(entry)
        last.set(key, { id, topic, partition, producerId, epoch, sequence, records: places })
        for (const { position } of places) note(position + 1)
        break
      }
      case 'done':
      case 'forgotten': {
        const key = partitionKey(entry)
        const attempt = last.get(key)
        if (attempt?.id !== entry.id) break
        if (entry.kind === 'done') finish(attempt.records)
        last.delete(key)
        break
      }
      case 'gone': {
        const places = placesOf(entry)
        finish(places)
        if (!entry.dead) break
        all.deadLetters += places.length
        for (const [key, { records }] of last)
          if (records.some(({ position }) => places.some(place => place.position === position)))
            last.delete(key)
      }
    }
  for (const segment of segments)
    if (segment.generation > 0 && !stated.has(segment.base)) segment.needsScan = true
  all.inDoubt.push(...last.values())
  return all
}

export function partitionKey({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}/${partition}`
}

function segmentOf(segments: readonly Segment[], position: number): Segment | undefined {
  let low = 0
  let high = segments.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((segments[middle] as Segment).base <= position) low = middle + 1
    else high = middle
  }
  return segments[low - 1]
}
