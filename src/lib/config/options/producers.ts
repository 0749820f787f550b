import { isAbsolute } from 'node:path'
import { quote } from '../../errors.js'
import { flag, milliseconds, type OptionSchema, optionalText, type Report, size, text } from './values.js'

/** Where events wait on disk while Kafka does not take them. */
export interface SpoolSettings {
  readonly directory: string
  readonly maxBytes: number
  /** How long an event waits for Kafka before it is spooled. */
  readonly afterMs: number
  /** Whether the directory outlives the process's machine or pod: then what is left after SIGTERM may stay there. */
  readonly persistent: boolean
}

/** The same as it is configured. */
export interface GivenSpool {
  directory?: string | null
  max_bytes: number
  after_ms: number
  persistent: boolean
}

/** Four segments of 64 MiB: one to write, one to drain, one for hasty events, one to rewrite a segment. */
export const MIN_SPOOL_BYTES = 4 * 64 * 2 ** 20

/** Options of where events are stored. */
export const PRODUCER_OPTIONS = {
  kafka: {
    description: 'Connection to Kafka. [Kafka](#kafka)',
    type: 'object',
    nullable: true,
    default: null,
  },
  producer: {
    description:
      '`kafka`, `file`, or `memory`, which keeps the latest 1,000 events for tests and benchmarks (null: `kafka` if that option is set, else `file`).',
    enum: ['kafka', 'file', 'memory', null],
    default: null,
  },
  output_path: {
    description: 'File to which the file producer appends each event as one line of JSON.',
    ...text,
    default: '/dev/stdout',
  },
  should_pretty_print: {
    description: 'Whether the file producer indents events over several lines.',
    ...flag,
    default: false,
  },
  spool: {
    description:
      'Directory on disk for events that Kafka does not take now (null: off). [The spool](spool.md) says what a 202 means then.',
    type: 'object',
    nullable: true,
    additionalProperties: false,
    properties: {
      directory: {
        description: 'Absolute path of the directory, for this process alone. Without it there is no spool.',
        ...optionalText,
        read: absolute,
      },
      max_bytes: {
        description:
          'Maximum size of everything in the directory (at least 256mb). Hasty events use at most a quarter.',
        ...size,
        default: '10gb',
      },
      after_ms: {
        description:
          'Time that an event waits for Kafka before it is spooled (ms). Must be less than `request_timeout_ms`.',
        ...milliseconds,
        default: 1000,
      },
      persistent: {
        description:
          'Whether the directory outlives the pod. After SIGTERM, a persistent spool waits for the next process, and another one is drained first.',
        ...flag,
        default: true,
      },
    },
    read: readSpool,
    default: null,
  },
} as const satisfies Record<string, OptionSchema>

function absolute(directory: string, report: Report): string {
  if (!isAbsolute(directory)) report(`must be an absolute path, not ${quote(directory)}`)
  return directory
}

function readSpool(given: GivenSpool, report: Report): SpoolSettings | null {
  const { directory, max_bytes: maxBytes, after_ms: afterMs, persistent } = given
  if (maxBytes < MIN_SPOOL_BYTES)
    report(
      `must be at least 256mb, not ${maxBytes} bytes: the spool needs room for four segments`,
      '.max_bytes',
    )
  return directory ? { directory, maxBytes, afterMs, persistent } : null
}
