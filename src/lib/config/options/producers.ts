import { flag, type OptionSchema, text } from './values.js'

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
} as const satisfies Record<string, OptionSchema>
