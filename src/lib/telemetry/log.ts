import { hostname } from 'node:os'
import { type LoggerOptions, pino } from 'pino'
import type { Logging } from '../config/file.js'
import { printable } from '../errors.js'

/** A pino logger. */
export type Log = pino.Logger

const LEVELS = new Map(Object.entries(pino.levels.values).map(([name, value]) => [value, name as pino.Level]))

/** JSON lines in the form that `logging.format` asks for. Those of a worker have its number. */
export function makeLog(logging: Logging, name: string, worker?: number): Log {
  const [stream] = logging.streams ?? []
  return pino(
    {
      name: logging.name ?? name,
      ...(worker === undefined ? {} : { base: { pid: process.pid, hostname: hostname(), worker } }),
      level: stream?.level ?? logging.level ?? 'info',
      ...(logging.format === 'ecs' ? ECS : bunyan(stream?.named_levels ?? false)),
    },
    sanitized(pino.destination({ fd: stream?.type === 'stderr' ? 2 : 1, sync: true })),
  )
}

/** The names of bunyan's fields, which operators' pipelines know. `isNamed` writes `"INFO"` for 30. */
function bunyan(isNamed: boolean): LoggerOptions {
  return {
    formatters: {
      bindings: bindings => ({ ...bindings, v: 0 }),
      level: (label, value) => ({ level: isNamed ? label.toUpperCase() : value }),
    },
    timestamp: pino.stdTimeFunctions.isoTime,
  }
}

/** Fields that have a name in the Elastic Common Schema. All others are below `eventgate`. */
const ECS_NAMES: Readonly<Record<string, string>> = {
  code: 'event.code',
  request_id: 'http.request.id',
  trace_id: 'trace.id',
  span_id: 'span.id',
}

/** The Elastic Common Schema, as its loggers write it: https://github.com/elastic/ecs-logging/tree/main/spec */
const ECS: LoggerOptions = {
  messageKey: 'message',
  timestamp: () => `,"@timestamp":"${new Date().toISOString()}"`,
  formatters: {
    level: label => ({ 'log.level': label }),
    bindings: ({ pid, hostname, name, worker }) => ({
      'ecs.version': '8.10.0',
      'service.name': name,
      'process.pid': pid,
      'host.hostname': hostname,
      ...(worker === undefined ? {} : { 'eventgate.worker': worker }),
    }),
    log: toEcs,
  },
}

function toEcs(fields: object): Record<string, unknown> {
  const line: Record<string, unknown> = {}
  const own: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    const known = ECS_NAMES[name]
    if (value instanceof Error) {
      line['error.type'] = value.name
      line['error.message'] = value.message
      line['error.stack_trace'] = value.stack
    } else if (known !== undefined) line[known] = value
    else own[name] = value
  }
  if (Object.keys(own).length > 0) line.eventgate = own
  return line
}

/** Escapes control characters: lines have texts of clients, and pino writes controls as they are. */
function sanitized(destination: { write(line: string): unknown }): { write(line: string): void } {
  return { write: line => void destination.write(printable(line)) }
}

/** A bunyan stream of type `raw`. It writes service-runner's log records through pino, and carries `log` to the app. */
export class LogStream {
  constructor(readonly log: Log) {}

  write(record: { level: number; msg: string; [field: string]: unknown }): void {
    const { level, msg, name: _name, hostname: _hostname, pid: _pid, time: _time, v: _v, ...fields } = record
    this.log[LEVELS.get(level) ?? 'info'](fields, msg)
  }
}
