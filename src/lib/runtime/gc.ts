import { availableParallelism } from 'node:os'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { memoryLimit } from './memory-limit.js'

/** By how much the old generation grows between two collections of all of it, percent. */
const GROWTH = 300
/** V8 takes no limit of the heap after its start, and its own is at least 256 MB: it may be more than there is. */
const CAREFUL_GROWTH = 50
/** A heap that may take more than this of the limit of memory leaves too little for what lies outside of it. */
const HEAP_SHARE = 0.75

/**
 * How V8's garbage collector is to go about its work in a process whose garbage is young: what hundreds of waiting
 * requests hold. Whoever is being answered waits for the collector, so that it decides the p99 under load
 * (bench/RELIABILITY.md). To be called at the start. What V8 takes before that only, the image and the chart give
 * by `NODE_OPTIONS`: `--max-semi-space-size`, `--v8-pool-size`.
 */
export function tuneCollector(): void {
  // Beside a heap limit of 200 MB V8 lets the old generation grow by a third between two collections of all of it:
  // by 7 MB, five times a second, 10 ms each. Now by three times what is alive; the limit holds all the same.
  setFlagsFromString(`--heap-growing-percent=${growth(getHeapStatistics().heap_size_limit, memoryLimit())}`)
  // Where objects once lived long, as in the first seconds of an outage, V8 goes on to make their like in the old
  // generation. There they keep what they refer to from being seen as garbage, and all of it is to be collected.
  setFlagsFromString('--no-allocation-site-pretenuring')
  // On one processor there is nobody to share the work with, and waiting for the other half of it takes longer.
  if (availableParallelism() === 1) setFlagsFromString('--no-parallel-scavenge')
}

/** Of a heap that is bounded far enough below the limit of memory, or of a process without one, it does not matter. */
export function growth(heapLimit: number, memory: number | undefined): number {
  return memory !== undefined && heapLimit > HEAP_SHARE * memory ? CAREFUL_GROWTH : GROWTH
}
