import { GateError } from '../errors.js'
import type { Partition } from './partition.js'
import type { Topic } from './topic.js'
import { BATCH_OVERHEAD } from './wire/records.js'

/** 9999-12-31; far below 2^52, up to which the differences of times are exact. */
const MAX_TIMESTAMP = 253_402_300_799_999

/** Why an event is never sent; undefined if it may be. `size`: what it takes of a batch. */
export function unfitness(
  timestamp: number,
  bytes: number,
  size: number,
  maxRequestBytes: number,
): GateError | undefined {
  if (!(timestamp >= 0 && timestamp <= MAX_TIMESTAMP && Number.isInteger(timestamp)))
    return new GateError('timestamp_unparsable', `${timestamp} is no time that Kafka can store`)
  if (BATCH_OVERHEAD + size <= maxRequestBytes) return undefined
  const message = `the event has ${bytes} bytes, and message.max.bytes is ${maxRequestBytes}`
  return new GateError('event_too_large', message)
}

/** Why a sender takes no event at all, or none of this topic. */
export function fullness(
  { queuedMessages, queuedBytes }: { queuedMessages: number; queuedBytes: number },
  isFull: boolean,
): GateError {
  const message = isFull
    ? `Kafka does not keep up: ${queuedMessages} events, ${queuedBytes} bytes wait for it`
    : 'too many topics that Kafka does not know are waited for'
  return new GateError('producer_full', message)
}

/** Why an event cannot wait for its partition now, or for its topic; undefined if it can. */
export function unavailability(
  topic: Topic,
  partition: Partition | undefined,
  size: number,
  patience: number,
  now: number,
): GateError | undefined {
  const holder = partition ?? topic
  if (holder.rejects && !(partition && now < partition.youngUntil))
    return refusal(
      holder,
      `nothing could be stored for ${topic.settings.timeoutMs} ms (${holder.breaker.problem})`,
    )
  if (!holder.hasRoom(size, now))
    return refusal(holder, `too many events wait for it already (${holder.breaker.problem})`)
  if (partition && partition.foreseen(now) > now + patience)
    return refusal(holder, `Kafka is too slow for the event to be stored within ${Math.round(patience)} ms`)
  return undefined
}

function refusal(holder: Partition | Topic, problem: string): GateError {
  return new GateError('partition_unavailable', `${holder}: ${problem}`)
}
