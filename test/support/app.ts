import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import { register } from 'prom-client'
import { app } from '#src/app.js'
import { LogStream } from '#src/lib/telemetry/log.js'
import { linesOf, posterTo, type Running, temporary } from './service.js'

/**
 * Starts the service in the process of the test, for tests of a part of it. That takes a tenth of the time that a
 * process of its own takes. Its metrics replace those of an earlier service in the same process.
 */
export async function startApp(
  t: TestContext,
  conf: Record<string, unknown> = {},
): Promise<Running & { stop(): Promise<void> }> {
  const file = join(temporary(t), 'events.ndjson')
  const logged: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) })
  register.clear()
  const { port, close } = await app({
    name: 'eventgate',
    config: { port: 0, output_path: file, ...conf, logging: { streams: [{ stream: new LogStream(log) }] } },
  })
  let closing: Promise<void> | undefined
  const stop = () => {
    closing ??= close()
    return closing
  }
  // A test may leave requests in flight, and then its end is late. Tests of the end call `stop` themselves.
  t.after(() => stop().catch(() => {}))
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    post: posterTo(url),
    produced: () => (existsSync(file) ? linesOf(readFileSync(file, 'utf8')) : []),
    log: () => linesOf(logged.join('')),
    stop,
  }
}
