/**
 * Measures the memory of a process whose bounds are all reached. Kafka cannot be reached, and guaranteed and hasty
 * requests come until both kinds are refused. Prints a row for each step, which docs/operations.md has.
 *
 *   npm run pretest && node .build/bench/in-flight.js [heap limit in MB] [options of the service, JSON] [small|large] [prefix]
 *
 * A heap limit of 0 sets no limit. The prefix is a command that starts the service, within a limit of memory for example.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { dump } from 'js-yaml'
import { memoryOf } from '../test/reliability/overload.js'
import { nodeOptions, startEventGate } from '../test/reliability/service.js'
import { freePorts } from '../test/support/kafka.js'
import { benchEvent, benchSchema } from './event.js'

const ARRAY = 50
/** Long enough to fill everything before the first event is given up. */
const TIMEOUT_MS = 60_000

const heap = Number(process.argv[2] ?? 200)
const options = JSON.parse(process.argv[3] ?? '{}')
const isSmall = process.argv[4] === 'small'
const prefix = process.argv[5]?.split(' ') ?? []
const folder = await mkdtemp(join(tmpdir(), 'eventgate-in-flight-'))
await mkdir(join(folder, 'bench/event'), { recursive: true })
await writeFile(join(folder, 'bench/event/1.0.0.yaml'), dump(benchSchema()))
const [nobody] = await freePorts(1)
const gate = await startEventGate(
  `127.0.0.1:${nobody}`,
  {
    ...options,
    schema_base_uris: [folder],
    request_timeout_ms: TIMEOUT_MS,
    kafka: kafkaConf(`127.0.0.1:${nobody}`),
  },
  { env: { NODE_OPTIONS: nodeOptions(heap) }, prefix },
)
const open: Promise<unknown>[] = []
try {
  await row('idle', 0)
  for (const delivery of ['guaranteed', 'hasty']) {
    let taken = 0
    for (let refused = false; !refused; ) {
      const sent = post(delivery === 'hasty')
      open.push(sent)
      const status = await Promise.race([sent, sleep(delivery === 'hasty' ? 1000 : 20)])
      if (status === 503) refused = true
      else taken += ARRAY
    }
    await sleep(1000)
    await row(`+ ${delivery}`, taken)
  }
} finally {
  await gate.kill9()
  await Promise.allSettled(open)
  await rm(folder, { recursive: true, force: true })
}

function kafkaConf(bootstrap: string): object {
  return {
    conf: { 'metadata.broker.list': bootstrap },
    hasty: { conf: { 'message.timeout.ms': 300_000 } },
  }
}

function post(hasty: boolean): Promise<number | undefined> {
  const body = JSON.stringify(Array.from({ length: ARRAY }, event))
  const headers = { 'content-type': 'application/json' }
  return fetch(`${gate.url}${hasty ? '?hasty=true' : ''}`, { method: 'POST', headers, body }).then(
    async response => {
      await response.arrayBuffer()
      return response.status
    },
    () => undefined,
  )
}

function event(): unknown {
  const { $schema, meta, dt, ...fields } = benchEvent('in-flight.test')
  return isSmall ? { $schema, meta, dt } : { $schema, meta, dt, ...fields }
}

async function row(what: string, events: number): Promise<void> {
  const health = await (await fetch(gate.url.replace('/v1/events', '/_info/health'))).json()
  const { in_flight } = health as { in_flight?: unknown }
  const rss = memoryOf(gate.process.pid, 'VmRSS').toFixed(0)
  const most = memoryOf(gate.process.pid, 'VmHWM').toFixed(0)
  console.log(
    `| ${what} | ${events} events | RSS ${rss} MiB | most ${most} MiB | ${JSON.stringify(in_flight ?? health)} |`,
  )
}
