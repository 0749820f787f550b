import type { Config } from './config.js'

/** A rule that spans options, each of which is valid by itself. */
interface Rule {
  /** The option to change when the rule is broken. */
  readonly option: string
  /** What is wrong, else false or null. `conf` has the options as they are configured, without defaults. */
  readonly broken: (config: Config, conf: Readonly<Record<string, unknown>>) => string | false | null
}

export const RULES: readonly Rule[] = [
  {
    option: 'producer',
    broken: ({ producer }, conf) =>
      producer === 'kafka' && !conf.kafka && 'is "kafka", but there is no kafka: set kafka.conf',
  },
  {
    option: 'producer',
    broken: (_, { producer, kafka, output_path }) =>
      producer == null &&
      Boolean(kafka) &&
      output_path !== undefined &&
      'must be set if both kafka and output_path are',
  },
  atMost('max_body_size', 'max_bytes_in_flight', 'the largest body would never be accepted'),
  atMost('max_body_size', 'hasty_max_bytes', 'the largest body would never be accepted hastily'),
  // Hasty events that do not fit into the queue would be lost after their 202.
  {
    option: 'kafka.conf',
    broken: ({ kafka, max_error_events }) =>
      kafka &&
      kafka.hasty.sender.maxQueuedMessages - max_error_events < 1 &&
      'must have a queue.buffering.max.messages of at least 2, because there is an error_stream',
  },
  {
    option: 'hasty_max_events',
    broken({ kafka, hasty_max_events, max_error_events }) {
      const { maxQueuedMessages: queued } = kafka?.hasty.sender ?? { maxQueuedMessages: Infinity }
      const room = queued - max_error_events
      const share = max_error_events > 0 ? ` and ${max_error_events} of them are for error events` : ''
      return (
        room >= 1 &&
        hasty_max_events > room &&
        `must be at most ${room}, not ${hasty_max_events}: the hasty producer queues at most ${queued} events (queue.buffering.max.messages)${share}`
      )
    },
  },
  {
    option: 'hasty_max_bytes',
    broken({ kafka, hasty_max_bytes }) {
      const { maxQueuedBytes: queued } = kafka?.hasty.sender ?? { maxQueuedBytes: Infinity }
      return (
        hasty_max_bytes > queued &&
        `must be at most ${queued}, not ${hasty_max_bytes}: the hasty producer queues no more (queue.buffering.max.kbytes)`
      )
    },
  },
  {
    option: 'spool',
    broken: ({ spool, producer }) =>
      spool && producer !== 'kafka' && `is for Kafka, and the producer is ${JSON.stringify(producer)}`,
  },
  {
    option: 'spool.after_ms',
    broken: ({ spool, request_timeout_ms }) =>
      spool &&
      spool.afterMs >= request_timeout_ms &&
      `is ${spool.afterMs}, which must be less than request_timeout_ms, ${request_timeout_ms}: requests would time out before their events are spooled`,
  },
  atMost('schema_timeout_ms', 'request_timeout_ms', 'a request would time out before its schema is loaded'),
]

type NumericOption = { [Name in keyof Config]: Config[Name] extends number ? Name : never }[keyof Config]

function atMost(option: NumericOption, limit: NumericOption, reason: string): Rule {
  return {
    option,
    broken: config =>
      config[option] > config[limit] &&
      `is ${config[option]}, more than ${limit}, ${config[limit]}: ${reason}`,
  }
}
