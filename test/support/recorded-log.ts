import { pino } from 'pino'

/** A log whose lines a test can look at. */
export function recordedLog(level = 'info'): { log: pino.Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  const log = pino({ level, base: null }, { write: line => void lines.push(JSON.parse(line)) })
  return { log, lines }
}
