import { totalmem } from 'node:os'

/** What may be in flight at one time. The names are those of the options. */
export interface Bounds {
  max_bytes_in_flight: number
  max_events_in_flight: number
  hasty_max_bytes: number
  hasty_max_events: number
}

const MIB = 1024 * 1024
/** What a process takes with nothing in flight, and what each byte in flight takes then (docs/operations.md, Memory). */
const BASE_BYTES = 95 * MIB
const BYTES_PER_BYTE = 4.5
/** The rest of the limit is for garbage, and for what else a container needs. */
const USED_SHARE = 0.8

/** The memory that this process may use, bytes, by its cgroup; undefined if that is all of the machine's. */
export function memoryLimit(
  constrained: number | undefined = process.constrainedMemory(),
  total = totalmem(),
): number | undefined {
  // Without a limit Node says 0, or a number that is larger than any memory.
  return constrained && constrained < total ? constrained : undefined
}

/** Bounds that leave a process within its limit of memory: in proportion, and none so small that no body fits. */
export function boundsWithin(limit: number, bounds: Bounds, maxBodySize: number): Bounds {
  const room = (USED_SHARE * limit - BASE_BYTES) / BYTES_PER_BYTE
  const share = Math.min(1, Math.max(0, room / (bounds.max_bytes_in_flight + bounds.hasty_max_bytes)))
  const bytes = (bound: number) =>
    share === 1 ? bound : Math.max(maxBodySize, Math.floor((bound * share) / MIB) * MIB)
  const events = (bound: number) => Math.max(1000, Math.floor(bound * share))
  return {
    max_bytes_in_flight: bytes(bounds.max_bytes_in_flight),
    max_events_in_flight: events(bounds.max_events_in_flight),
    hasty_max_bytes: bytes(bounds.hasty_max_bytes),
    hasty_max_events: events(bounds.hasty_max_events),
  }
}

/** What a process takes when its bounds are reached, bytes. */
export function memoryAt({ max_bytes_in_flight, hasty_max_bytes }: Bounds): number {
  return BASE_BYTES + BYTES_PER_BYTE * (max_bytes_in_flight + hasty_max_bytes)
}

export function inMiB(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`
}
