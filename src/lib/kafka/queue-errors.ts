import { GateError } from '../errors.js'

const TEXTS = {
  deadline_not_stored: 'not produced in time: the event is not stored',
  deadline_unknown: 'not acknowledged in time: the event may have been stored, or may yet be',
  produce_failed: 'the broker refused the event: it is not stored',
  partition_unavailable: 'nothing could be stored for a while, nor can it now: the event is not stored',
  produce_unknown: 'not acknowledged: the event may have been stored, or may yet be',
  event_too_large: 'the event is larger than the broker takes',
  record_refused: 'the broker refused the event',
  topic_refused: 'the topic does not take what this service sends: the event is not stored',
  kafka_misconfigured: 'Kafka refuses what this service sends: the event is not stored',
} as const

/** What an event that was queued, and is not known to be stored, is answered with. */
export type QueueErrorCode = keyof typeof TEXTS

/** `where`: its partition, or its topic. */
export function queueError(code: QueueErrorCode, where: { toString(): string }, problem: string): GateError {
  return new GateError(code, `${where}: ${TEXTS[code]} (${problem})`)
}
