import { readConf } from '#src/lib/config/config.js'
import type { GateError } from '#src/lib/errors.js'
import { Connections } from '#src/lib/http/connections.js'
import type { IntakeOptions } from '#src/lib/http/intakes.js'
import type { RefusedRequest } from '#src/lib/http/observer.js'
import { Responder } from '#src/lib/http/responder.js'
import { Scheduler } from '#src/lib/runtime/scheduler.js'
import { makeAdmission, makeRequestReaders } from '#src/wiring.js'

/** The parts that intakes share, as a service with this configuration has them, and what they report. */
export function intakeParts(conf: Record<string, unknown> = {}) {
  const config = readConf({
    schema_uri_query_param: 'schema_uri',
    stream_query_param: 'stream',
    ...conf,
  })
  const connections = new Connections({ max: config.max_connections, maxAgeMs: 0 })
  const answered: [path: string, method: string, status: number][] = []
  const refused: GateError[] = []
  const recorded: RefusedRequest[] = []
  const options: IntakeOptions = {
    ...makeRequestReaders(config),
    admission: makeAdmission(config),
    scheduler: new Scheduler(),
    connections,
    responder: new Responder({ cors: false, csp: false, readTimeoutMs: 1000 }, connections),
    observer: {
      bodyReceived() {},
      eventsReceived() {},
      refused: error => void refused.push(error),
      answered: (path, method, status) => void answered.push([path, method, status]),
    },
    recordRefused: (_error, request) => void recorded.push(request),
  }
  return { options, answered, refused, recorded }
}
