/** What became of the attempt that was answered. */
export type Effect =
  | 'stored'
  | 'open' // the batch may be stored, now or later
  | 'refused' // this attempt stored nothing; earlier ones may have

/** What to do next with a batch that is not stored. */
export type NextStep =
  | 'wait_longer' // the leader has it, and the replicas took longer than the broker might wait
  | 'slow_lane' // the leader has it, and too few replicas
  | 'refresh' // look for the leader, and try again
  | 'doubt_headers' // the same, and if it happens again leave the headers out
  | 'back_off' // try again later
  | 'encode' // the same, encoded anew
  | 'split' // try smaller batches
  | 'refuse_records' // refuse the records that the broker names
  | 'plain' // the cluster takes no batch that has an identity
  | 'plain_topic' // nor does this topic
  | 'new_epoch' // begin the sequence anew
  | 'new_id' // the same, under another producer id
  | 'fail'

/** What events are answered that are surely not stored, and that the next step cannot help. */
type ErrorCode =
  | 'produce_failed'
  | 'event_too_large'
  | 'record_refused'
  | 'topic_refused'
  | 'kafka_misconfigured'

export interface Meaning {
  readonly name: string
  readonly effect: Effect
  readonly next: NextStep
  readonly error: ErrorCode
}

/** Kafka's codes that a sender tells apart. */
const TABLE: Readonly<Record<number, Meaning>> = {
  0: row('NONE', 'stored'),
  46: row('DUPLICATE_SEQUENCE_NUMBER', 'stored'),
  7: row('REQUEST_TIMED_OUT', 'open', 'wait_longer'),
  20: row('NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'open', 'slow_lane'),
  [-1]: row('UNKNOWN_SERVER_ERROR', 'open', 'doubt_headers'),
  56: row('KAFKA_STORAGE_ERROR', 'open', 'refresh'),
  3: row('UNKNOWN_TOPIC_OR_PARTITION', 'refused', 'refresh'),
  5: row('LEADER_NOT_AVAILABLE', 'refused', 'refresh'),
  6: row('NOT_LEADER_OR_FOLLOWER', 'refused', 'refresh'),
  8: row('BROKER_NOT_AVAILABLE', 'refused', 'refresh'),
  9: row('REPLICA_NOT_AVAILABLE', 'refused', 'refresh'),
  19: row('NOT_ENOUGH_REPLICAS', 'refused', 'back_off'),
  2: row('CORRUPT_MESSAGE', 'refused', 'encode'),
  10: row('MESSAGE_TOO_LARGE', 'refused', 'split', 'event_too_large'),
  18: row('RECORD_LIST_TOO_LARGE', 'refused', 'split', 'event_too_large'),
  32: row('INVALID_TIMESTAMP', 'refused', 'refuse_records', 'record_refused'),
  87: row('INVALID_RECORD', 'refused', 'refuse_records', 'record_refused'),
  17: row('INVALID_TOPIC_EXCEPTION', 'refused', 'fail', 'topic_refused'),
  29: row('TOPIC_AUTHORIZATION_FAILED', 'refused', 'fail', 'topic_refused'),
  43: row(
    'UNSUPPORTED_FOR_MESSAGE_FORMAT: the topic has a message format older than 0.11',
    'refused',
    'plain_topic',
    'topic_refused',
  ),
  76: row('UNSUPPORTED_COMPRESSION_TYPE', 'refused', 'fail', 'topic_refused'),
  21: row('INVALID_REQUIRED_ACKS', 'refused', 'fail', 'kafka_misconfigured'),
  31: row(
    'CLUSTER_AUTHORIZATION_FAILED: the right IdempotentWrite on the cluster is missing',
    'refused',
    'plain',
    'kafka_misconfigured',
  ),
  35: row('UNSUPPORTED_VERSION', 'refused', 'fail', 'kafka_misconfigured'),
  42: row('INVALID_REQUEST', 'refused', 'fail', 'kafka_misconfigured'),
  45: row('OUT_OF_ORDER_SEQUENCE_NUMBER', 'refused', 'new_epoch'),
  59: row('UNKNOWN_PRODUCER_ID', 'refused', 'new_epoch'),
  47: row('INVALID_PRODUCER_EPOCH', 'refused', 'new_id'),
  33: row('UNSUPPORTED_SASL_MECHANISM', 'refused', 'fail', 'kafka_misconfigured'),
  58: row('SASL_AUTHENTICATION_FAILED', 'refused', 'fail', 'kafka_misconfigured'),
}

function row(
  name: string,
  effect: Effect,
  next: NextStep = 'fail',
  error: ErrorCode = 'produce_failed',
): Meaning {
  return { name, effect, next, error }
}

const UNKNOWN = row('', 'open', 'refresh')

/** What an answer for a batch means. An error with an offset: the leader had the batch, and leadership moved. */
export function meaningOf(code: number, baseOffset = -1): Meaning {
  const meaning = TABLE[code] ?? UNKNOWN
  if (baseOffset < 0 || meaning.effect === 'stored' || meaning.next === 'wait_longer') return meaning
  return TABLE[20] as Meaning
}

/** A code for a person: `7 REQUEST_TIMED_OUT`. */
export function describe(code: number): string {
  const name = TABLE[code]?.name
  return name ? `${code} ${name}` : `${code}`
}

/** A broker's refusal of something that is no batch. */
export class KafkaError extends Error {
  override readonly name = 'KafkaError'
  constructor(
    readonly code: number,
    what: string,
    options?: { cause: unknown },
  ) {
    super(`${what}: ${describe(code)}`, options)
  }
}

/** A broker with which nothing can be done until it, or the configuration, is another one: its version, our credentials. */
export class Misfit extends KafkaError {
  constructor(code: number, message: string, options?: { cause: unknown }) {
    super(code, '', options)
    this.message = message
  }
}

/** Whether a broker has refused for good what is no batch, as far as brokers can tell. */
export function isMisfit(error: unknown): boolean {
  return error instanceof KafkaError && meaningOf(error.code).error === 'kafka_misconfigured'
}
