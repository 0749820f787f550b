/**
 * What a broker's answer for one batch means.
 *
 * `stored`: it is. `appended`: the leader has it, the replicas may not. `open`: who knows. The others are
 * refusals of this one attempt, which leave open whatever earlier attempts left open:
 * `moved`: another broker leads the partition, or nobody does. `wait`: too few replicas at the moment.
 * `corrupt`: its checksum did not match. `too_large`. `records`: some records are not acceptable.
 * `topic`: this topic takes nothing from us. `configuration`: nor does this cluster, the way we are set up.
 * `no_identity`: the cluster takes no batch by which it could know duplicates. `old_format`: nor does this topic.
 * `sequence`: not the one that the broker expects next. `epoch`: the producer id is not valid any more.
 */
export type Fate =
  | 'stored'
  | 'appended'
  | 'open'
  | 'moved'
  | 'wait'
  | 'corrupt'
  | 'too_large'
  | 'records'
  | 'topic'
  | 'configuration'
  | 'no_identity'
  | 'old_format'
  | 'sequence'
  | 'epoch'

/** Kafka's codes that a sender tells apart. A code that is not here leaves the attempt open. */
const TABLE: Readonly<Record<number, readonly [name: string, fate: Fate]>> = {
  0: ['NONE', 'stored'],
  46: ['DUPLICATE_SEQUENCE_NUMBER', 'stored'],
  7: ['REQUEST_TIMED_OUT', 'appended'],
  20: ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'appended'],
  [-1]: ['UNKNOWN_SERVER_ERROR', 'open'],
  56: ['KAFKA_STORAGE_ERROR', 'open'],
  3: ['UNKNOWN_TOPIC_OR_PARTITION', 'moved'],
  5: ['LEADER_NOT_AVAILABLE', 'moved'],
  6: ['NOT_LEADER_OR_FOLLOWER', 'moved'],
  8: ['BROKER_NOT_AVAILABLE', 'moved'],
  9: ['REPLICA_NOT_AVAILABLE', 'moved'],
  19: ['NOT_ENOUGH_REPLICAS', 'wait'],
  2: ['CORRUPT_MESSAGE', 'corrupt'],
  10: ['MESSAGE_TOO_LARGE', 'too_large'],
  18: ['RECORD_LIST_TOO_LARGE', 'too_large'],
  32: ['INVALID_TIMESTAMP', 'records'],
  87: ['INVALID_RECORD', 'records'],
  17: ['INVALID_TOPIC_EXCEPTION', 'topic'],
  29: ['TOPIC_AUTHORIZATION_FAILED', 'topic'],
  43: ['UNSUPPORTED_FOR_MESSAGE_FORMAT: the topic has a message format older than 0.11', 'old_format'],
  76: ['UNSUPPORTED_COMPRESSION_TYPE', 'topic'],
  21: ['INVALID_REQUIRED_ACKS', 'configuration'],
  31: ['CLUSTER_AUTHORIZATION_FAILED: the right IdempotentWrite on the cluster is missing', 'no_identity'],
  35: ['UNSUPPORTED_VERSION', 'configuration'],
  42: ['INVALID_REQUEST', 'configuration'],
  45: ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'sequence'],
  59: ['UNKNOWN_PRODUCER_ID', 'sequence'],
  47: ['INVALID_PRODUCER_EPOCH', 'epoch'],
  33: ['UNSUPPORTED_SASL_MECHANISM', 'configuration'],
  58: ['SASL_AUTHENTICATION_FAILED', 'configuration'],
}

/** An error with an offset says that the leader appended the batch all the same: leadership moved while it waited. */
export function fateOf(code: number, baseOffset: number): Fate {
  const fate = TABLE[code]?.[1] ?? 'open'
  return baseOffset >= 0 && fate !== 'stored' ? 'appended' : fate
}

/** Whether an attempt that was answered so has surely stored nothing. */
export function isRefusal(fate: Fate): boolean {
  return fate !== 'stored' && fate !== 'appended' && fate !== 'open'
}

/** A code for a person: `7 REQUEST_TIMED_OUT`. */
export function describe(code: number): string {
  const name = TABLE[code]?.[0]
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
  return error instanceof KafkaError && ['configuration', 'no_identity'].includes(fateOf(error.code, -1))
}
