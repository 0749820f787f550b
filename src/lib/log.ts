import { pino } from 'pino'
import type { Logging } from './config.js'

/** A pino logger. */
export type Log = pino.Logger

const LEVELS = new Map(Object.entries(pino.levels.values).map(([name, value]) => [value, name as pino.Level]))

/** JSON lines with the names of bunyan's fields, which operators' pipelines know; `named_levels` writes `"INFO"` for 30. */
export function makeLog(logging: Logging, name: string): Log {
  const [stream] = logging.streams ?? []
  return pino(
    {
      name: logging.name ?? name,
      level: stream?.level ?? logging.level ?? 'info',
      formatters: {
        bindings: bindings => ({ ...bindings, v: 0 }),
        level: (label, value) => ({ level: stream?.named_levels ? label.toUpperCase() : value }),
      },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    printable(pino.destination({ fd: stream?.type === 'stderr' ? 2 : 1, sync: true })),
  )
}

/**
 * JSON leaves these as they are, and so does pino; terminals obey some of them, and some readers end a line at
 * others. What clients wrote stands in the log.
 */
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029]/g

function printable(destination: { write(line: string): unknown }): { write(line: string): void } {
  const escaped = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  return { write: line => void destination.write(line.replace(UNPRINTABLE, escaped)) }
}

/** A bunyan stream of type `raw` that writes service-runner's log records through pino; carries `log` to the app. */
export class LogStream {
  constructor(readonly log: Log) {}

  write(record: { level: number; msg: string; [field: string]: unknown }): void {
    const { level, msg, name: _name, hostname: _hostname, pid: _pid, time: _time, v: _v, ...fields } = record
    this.log[LEVELS.get(level) ?? 'info'](fields, msg)
  }
}
