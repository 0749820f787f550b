import { availableParallelism } from 'node:os'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { memoryLimit } from './memory-limit.js'

/** How much the old generation grows between two full collections (%). */
const GROWTH = 300
/** V8 accepts no limit of the heap after its start. Its own is at least 256 MB, which may be more than there is. */
const CAREFUL_GROWTH = 50
/** A heap that may take a larger share of the memory leaves too little for what is outside of it. */
const HEAP_SHARE = 0.75

/**
 * Tunes V8's garbage collector for a process whose garbage is young: what hundreds of waiting requests hold. Requests
 * wait for the collector, so it decides the p99 under load (bench/RELIABILITY.md). To be called at the start. The image
 * and the chart set the flags that V8 accepts only before that by `NODE_OPTIONS`: `--max-semi-space-size`,
 * `--v8-pool-size`.
 */
export function tuneCollector(): void {
  // With a heap limit of 200 MB V8 lets the old generation grow by a third, 7 MB, between two full collections. That
  // makes five collections a second, of 10 ms each. Now it grows by three times what is alive, within the same limit.
  setFlagsFromString(`--heap-growing-percent=${growth(getHeapStatistics().heap_size_limit, memoryLimit())}`)
  // If objects once lived long, as at the start of an outage, V8 goes on to allocate such objects in the old generation.
  // There they keep young objects alive until the next full collection.
  setFlagsFromString('--no-allocation-site-pretenuring')
  // On one processor there is no other thread to share the work with, and waiting for it takes longer.
  if (availableParallelism() === 1) setFlagsFromString('--no-parallel-scavenge')
}

/** The growth for a heap with this limit. It is small only if the heap may take most of the limit of memory. */
export function growth(heapLimit: number, memory: number | undefined): number {
  return memory !== undefined && heapLimit > HEAP_SHARE * memory ? CAREFUL_GROWTH : GROWTH
}
