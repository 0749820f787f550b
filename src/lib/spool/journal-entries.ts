import type { Delivery } from '../eventgate.js'
import type { PositionSet } from './position-set.js'
import type { Attempt, Place } from './record.js'
import type { Segment } from './segment.js'

/** Consecutive records of one group: first position and number, in turn. */
export type Run = [partition: number, stream: string, delivery: Delivery, ranges: number[]]

/** What the journal of a spool says, entry by entry. */
export type Entry =
  /** No position below was given yet. Begins a journal. */
  | { kind: 'begin'; next: number; deadLetters: number }
  /** There is a segment from this position on. */
  | { kind: 'opened'; base: number }
  | { kind: 'removed'; base: number }
  /** What is done in a segment when a journal begins: positions, and how many of each group. */
  | { kind: 'state'; base: number; generation: number; done: [number, string][]; counts: DoneCount[] }
  /** A batch is about to be sent. The one before it of its partition is not stored, and never will be, if it is not done. */
  | ({ kind: 'attempt'; id: number } & Runs & Omit<Attempt, 'records'>)
  /** The last attempt of the partition is stored, or it is as if it had never been made. */
  | { kind: 'done' | 'forgotten'; topic: string; partition: number; id: number }
  /** These are done without an attempt; `dead`: they are dead letters, and no batch that has one of them was stored. */
  | ({ kind: 'gone'; dead: boolean } & Runs)

/** Records of one topic, in order. */
export interface Runs {
  topic: string
  runs: Run[]
}

export type DoneCount = [topic: string, partition: number, stream: string, delivery: Delivery, done: number]

export function runsOf(topic: string, records: readonly Place[]): Runs {
  const runs: Run[] = []
  let last: Run | undefined
  let next = -1
  for (const { partition, stream, delivery, position } of records) {
    if (!last || last[0] !== partition || last[1] !== stream || last[2] !== delivery) {
      last = [partition, stream, delivery, []]
      runs.push(last)
      next = -1
    }
    const ranges = last[3]
    if (position === next) ranges[ranges.length - 1] = (ranges.at(-1) as number) + 1
    else ranges.push(position, 1)
    next = position + 1
  }
  return { topic, runs }
}

export function placesOf({ topic, runs }: Runs): Place[] {
  const places: Place[] = []
  for (const [partition, stream, delivery, ranges] of runs)
    for (let i = 0; i < ranges.length; i += 2)
      for (let n = 0; n < (ranges[i + 1] as number); n++)
        places.push({ topic, partition, stream, delivery, position: (ranges[i] as number) + n })
  return places
}

/** What is done in a segment. */
export function stateOf({ base, end, generation, counts }: Segment, done: PositionSet): Entry {
  const counted = [...counts].filter(([, count]) => count.done > 0)
  return {
    kind: 'state',
    base,
    generation,
    done: counted.length > 0 ? done.export(base, end) : [],
    counts: counted.map(([{ topic, partition, stream, delivery }, count]) => [
      topic,
      partition,
      stream,
      delivery,
      count.done,
    ]),
  }
}
