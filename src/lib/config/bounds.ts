import type { KafkaSettings } from '../kafka/config.js'
import { type Bounds, boundsWithin, inMiB, memoryAt } from '../runtime/memory-limit.js'
import { MAX_PENDING_ERROR_EVENTS } from '../steps/error-events.js'
import type { Options } from './options/options.js'
import type { Problem } from './problems.js'

type Conf = Readonly<Record<string, unknown>>

/** Fits the bounds that are not configured to a memory limit. `memory` says which ones, null if there are not any. */
export function fitToMemory(
  options: Options,
  conf: Conf,
  limit: number | undefined,
  processes: number,
): { bounds: Partial<Bounds>; memory: string | null; warnings: Problem[] } {
  if (limit === undefined) return { bounds: {}, memory: null, warnings: [] }
  const fitting = Object.entries(boundsWithin(limit, options, options.max_body_size, processes))
  const changed = fitting.filter(
    ([name, bound]) => conf[name] === undefined && bound !== options[name as keyof Bounds],
  )
  const bounds: Partial<Bounds> = Object.fromEntries(changed)
  const needed = memoryAt({ ...options, ...bounds }, processes)
  const list = changed.map(([name, bound]) => `${name} ${name.includes('events') ? bound : inMiB(bound)}`)
  const message = `and hasty_max_bytes need ${inMiB(needed)} of memory, and the limit is ${inMiB(limit)}: lower them and max_body_size, which is a minimum for both, or raise the limit`
  return {
    bounds,
    memory:
      list.length === 0
        ? null
        : `memory is limited to ${inMiB(limit)}, so bounds that are not configured are lower: ${list.join(', ')}`,
    warnings: needed > limit ? [{ path: 'max_bytes_in_flight', message }] : [],
  }
}

interface QueueBounds {
  /** Error events that may be pending at the same time. */
  max_error_events: number
  hasty_max_events: number
  hasty_max_bytes: number
  max_body_size: number
}

/** Fits the bounds that are not configured to the hasty producer's queue, which error and hasty events share. */
export function fitToQueue(
  options: Options,
  conf: Conf,
  kafka: KafkaSettings | null,
): { bounds: QueueBounds; warnings: Problem[] } {
  const { maxQueuedMessages = Infinity, maxQueuedBytes = Infinity } = kafka?.hasty.sender ?? {}
  const share = Math.max(1, Math.min(MAX_PENDING_ERROR_EVENTS, Math.floor(maxQueuedMessages / 4)))
  const { error_stream, hasty_max_events, hasty_max_bytes, max_body_size } = options
  const max_error_events = error_stream === null ? 0 : share
  const bounds = { max_error_events, hasty_max_events, hasty_max_bytes, max_body_size }
  const warnings: Problem[] = []
  const lower = (name: Exclude<keyof QueueBounds, 'max_error_events'>, most: number, cause: string) => {
    if (conf[name] !== undefined || bounds[name] <= most || most < 1) return
    bounds[name] = most
    warnings.push({ path: name, message: `is lowered to ${most}, because of ${cause} of the hasty producer` })
  }
  lower('hasty_max_events', maxQueuedMessages - max_error_events, 'queue.buffering.max.messages')
  lower('hasty_max_bytes', maxQueuedBytes, 'queue.buffering.max.kbytes')
  lower('max_body_size', maxQueuedBytes, 'queue.buffering.max.kbytes')
  return { bounds, warnings }
}
