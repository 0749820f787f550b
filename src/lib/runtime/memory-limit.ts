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

/** Reduces bounds in proportion to a limit of memory, but keeps room for the largest body in each process. */
export function boundsWithin(limit: number, bounds: Bounds, maxBodySize: number, processes = 1): Bounds {
  const room = (USED_SHARE * limit - processes * BASE_BYTES) / BYTES_PER_BYTE
  const share = Math.min(1, Math.max(0, room / (bounds.max_bytes_in_flight + bounds.hasty_max_bytes)))
  const bytes = (bound: number) =>
    share === 1 ? bound : Math.max(processes * maxBodySize, Math.floor((bound * share) / MIB) * MIB)
  const events = (bound: number) => Math.max(processes * 1000, Math.floor(bound * share))
  return {
    max_bytes_in_flight: bytes(bounds.max_bytes_in_flight),
    max_events_in_flight: events(bounds.max_events_in_flight),
    hasty_max_bytes: bytes(bounds.hasty_max_bytes),
    hasty_max_events: events(bounds.hasty_max_events),
  }
}

/** The memory that processes take when their bounds are reached (bytes). */
export function memoryAt({ max_bytes_in_flight, hasty_max_bytes }: Bounds, processes = 1): number {
  return processes * BASE_BYTES + BYTES_PER_BYTE * (max_bytes_in_flight + hasty_max_bytes)
}

export function inMiB(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`
}
