import { totalmem } from 'node:os'

/** How much may be in flight at one time. The names are those of the options. */
export interface Bounds {
  max_bytes_in_flight: number
  max_events_in_flight: number
  hasty_max_bytes: number
  hasty_max_events: number
}

const MIB = 1024 * 1024
/** Memory of a process with nothing in flight, and of each byte in flight (docs/operations.md, Memory). */
const BASE_BYTES = 95 * MIB
const BYTES_PER_BYTE = 4.5
/** The rest of the limit is for garbage, and for other needs of a container. */
const USED_SHARE = 0.8

/** The memory that the cgroup lets this process use (bytes). Undefined if that is all of the machine's. */
export function memoryLimit(
  constrained: number | undefined = process.constrainedMemory(),
  total = totalmem(),
): number | undefined {
  // Without a limit Node.js returns 0, or a number that is larger than any memory.
  return constrained && constrained < total ? constrained : undefined
}

/** Reduces bounds in proportion to a limit of memory, but keeps room for the largest body in each worker. */
export function boundsWithin(limit: number, bounds: Bounds, maxBodySize: number, workers = 1): Bounds {
  const room = (USED_SHARE * limit - baseOf(workers)) / BYTES_PER_BYTE
  const share = Math.min(1, Math.max(0, room / (bounds.max_bytes_in_flight + bounds.hasty_max_bytes)))
  const bytes = (bound: number) =>
    share === 1 ? bound : Math.max(workers * maxBodySize, Math.floor((bound * share) / MIB) * MIB)
  const events = (bound: number) => Math.max(workers * 1000, Math.floor(bound * share))
  return {
    max_bytes_in_flight: bytes(bounds.max_bytes_in_flight),
    max_events_in_flight: events(bounds.max_events_in_flight),
    hasty_max_bytes: bytes(bounds.hasty_max_bytes),
    hasty_max_events: events(bounds.hasty_max_events),
  }
}

/** The memory that workers and their primary take when the bounds are reached (bytes). */
export function memoryAt({ max_bytes_in_flight, hasty_max_bytes }: Bounds, workers = 1): number {
  return baseOf(workers) + BYTES_PER_BYTE * (max_bytes_in_flight + hasty_max_bytes)
}

/** Several workers have a primary, which takes almost as much as an idle one of them. */
function baseOf(workers: number): number {
  return BASE_BYTES * (workers > 1 ? workers + 1 : 1)
}

export function inMiB(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`
}
