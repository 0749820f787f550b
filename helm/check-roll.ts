/**
 * Rolls two processes of the service behind a real Envoy, with a real Kafka, one after the other under load. No request
 * may fail, and no event may be lost or stored twice. Envoy must not retry, because retries hide dropped requests.
 * Takes about a minute.
 *
 *   npm run check:roll [rounds]
 *
 * A pod ends as in Kubernetes: it leaves the endpoints (a file that Envoy watches), preStop passes, SIGTERM follows.
 * The next one starts when it has ended, and must be healthy before another ends. Envoy reaches the pods in two ways,
 * each with half of the load. One is by their own addresses, with health checks. The other is by the service's
 * address, as with kube-proxy. There, connections stay with a pod that is no longer an endpoint, until it closes them.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { dump } from 'js-yaml'
import { balance, violations } from '../test/reliability/ledger.js'
import { type Answered, offer } from '../test/reliability/load.js'
import { type Started, startEventGate } from '../test/reliability/service.js'
import { freePorts, type KafkaCluster, readRecords, startKafka } from '../test/support/kafka.js'

const TOOLS_DIR =
  process.env.TOOLS_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'eventgate-tools')
const ENVOY = join(TOOLS_DIR, 'bin', 'envoy')

const TOPICS = ['roll.one', 'roll.two']
/** Not part of the check: its events are sent while a pod is killed. */
const CONTROL_TOPIC = 'roll.control'
/** Events a second, each way. */
const RATE = 100
/** Below Envoy's idle timeout, so that idle connections are still open when SIGTERM comes; pods have 11 s. */
const PRE_STOP_MS = 1500
/**
 * The service's default. drainSeconds 2 leaves only 1800. Then idle connections by the service's address are closed
 * before Envoy closes them. Now and then Envoy loses a request that way, and sends it again.
 */
const SHUTDOWN_TIMEOUT_MS = Number(process.env.SHUTDOWN_TIMEOUT_MS ?? 10_000)
const REQUEST_TIMEOUT_MS = 9000
const WAIT_MS = 20_000
/** At this rate answers take some 15 ms while half of the pods are away. */
const BUSY_MS = 1000

/** Envoy's clusters for HTTP, one for each way. */
const WAYS = { pods: 'by the addresses of pods', service: 'by the address of the service' }
type Way = keyof typeof WAYS

const ends: (() => unknown)[] = []

function missing(): string[] {
  const absent = (tool: string) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).error !== undefined
  return [
    ...(existsSync(ENVOY) ? [] : [`${ENVOY}: helm/tools.sh installs it`]),
    ...['java', 'mvn'].filter(absent),
  ]
}

const on = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } })
const endpointsOf = (cluster: string, ports: readonly number[]) => ({
  cluster_name: cluster,
  endpoints: [{ lb_endpoints: ports.map(port => ({ endpoint: { address: on(port) } })) }],
})
const typeOf = (name: string) => ({ '@type': `type.googleapis.com/envoy.${name}` })

/** The endpoints. Envoy reads the file again when another one replaces it. */
function writeEndpoints(folder: string, pods: readonly Started[]): void {
  const ports = pods.map(({ url }) => Number(new URL(url).port))
  for (const cluster of ['pods', 'behind']) {
    const resource = { ...typeOf('config.endpoint.v3.ClusterLoadAssignment'), ...endpointsOf(cluster, ports) }
    const file = join(folder, `${cluster}.yaml`)
    writeFileSync(`${file}.new`, dump({ resources: [resource] }))
    renameSync(`${file}.new`, file)
  }
}

/** HTTP to a cluster, as production has it. */
function httpListener(name: Way, port: number): object {
  const route = { cluster: name, timeout: '20s', retry_policy: { retry_on: '5xx', num_retries: 2 } }
  const virtualHost = { name, domains: ['*'], routes: [{ match: { prefix: '/' }, route }] }
  const manager = {
    ...typeOf('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: name,
    route_config: { virtual_hosts: [virtualHost] },
    http_filters: [{ name: 'router', typed_config: typeOf('extensions.filters.http.router.v3.Router') }],
  }
  return { name, address: on(port), filter_chains: [{ filters: [{ name, typed_config: manager }] }] }
}

/** Replaces kube-proxy: it gives a connection to one of the endpoints, where it stays. */
function tcpListener(port: number): object {
  const proxy = {
    ...typeOf('extensions.filters.network.tcp_proxy.v3.TcpProxy'),
    ...{ stat_prefix: 'behind', cluster: 'behind' },
  }
  return {
    ...{ name: 'behind', address: on(port) },
    filter_chains: [{ filters: [{ name: 'tcp', typed_config: proxy }] }],
  }
}

const HTTP_OPTIONS = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    ...typeOf('extensions.upstreams.http.v3.HttpProtocolOptions'),
    common_http_protocol_options: { idle_timeout: '4.5s' },
    explicit_http_config: { http_protocol_options: {} },
  },
}

function discovered(name: string, folder: string): object {
  return {
    ...{ name, type: 'EDS', connect_timeout: '5s' },
    eds_cluster_config: {
      eds_config: { resource_api_version: 'V3', path_config_source: { path: join(folder, `${name}.yaml`) } },
    },
    // Otherwise Envoy would send requests to unready pods while half of the pods are away.
    common_lb_config: { healthy_panic_threshold: { value: 0 } },
  }
}

function envoyConfig(folder: string, ports: Record<Way | 'behind' | 'admin', number>): object {
  const health = {
    ...{ timeout: '5s', interval: '0.5s', no_traffic_interval: '0.5s' },
    ...{ unhealthy_threshold: 2, healthy_threshold: 1, http_health_check: { path: '/_info/ready' } },
  }
  return {
    node: { id: 'check-roll', cluster: 'check-roll' },
    admin: { address: on(ports.admin) },
    static_resources: {
      listeners: [
        httpListener('pods', ports.pods),
        httpListener('service', ports.service),
        tcpListener(ports.behind),
      ],
      clusters: [
        {
          ...discovered('pods', folder),
          ...{ health_checks: [health], ignore_health_on_host_removal: true },
          typed_extension_protocol_options: HTTP_OPTIONS,
        },
        {
          ...{ name: 'service', type: 'STATIC', connect_timeout: '5s' },
          load_assignment: endpointsOf('service', [ports.behind]),
          typed_extension_protocol_options: HTTP_OPTIONS,
        },
        discovered('behind', folder),
      ],
    },
  }
}

class Envoy {
  constructor(
    readonly ports: Record<Way | 'behind' | 'admin', number>,
    readonly said: () => string,
  ) {}

  static async start(folder: string): Promise<Envoy> {
    const [pods = 0, service = 0, behind = 0, admin = 0] = await freePorts(4)
    const ports = { pods, service, behind, admin }
    const file = join(folder, 'envoy.yaml')
    writeFileSync(file, dump(envoyConfig(folder, ports)))
    const child = spawn(ENVOY, ['-c', file, '--use-dynamic-base-id', '--concurrency', '1', '-l', 'warn'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const kill = () => child.kill('SIGKILL')
    process.once('exit', kill)
    ends.unshift(kill)
    let said = ''
    child.stderr.on('data', chunk => {
      said = (said + chunk).slice(-5000)
    })
    return new Envoy(ports, () => said)
  }

  /** One of Envoy's counters of a cluster; undefined before it exists. */
  async figure(cluster: string, name: string): Promise<number | undefined> {
    const stat = `cluster.${cluster}.${name}`
    const url = `http://127.0.0.1:${this.ports.admin}/stats?format=json&filter=^${stat}$`
    const { stats } = (await (await fetch(url)).json()) as { stats: { name: string; value: number }[] }
    return stats.find(found => found.name === stat)?.value
  }

  async until(cluster: string, name: string, value: number): Promise<void> {
    const end = Date.now() + WAIT_MS
    for (;;) {
      const found = await this.figure(cluster, name).catch(() => undefined)
      if (found === value) return
      if (Date.now() > end)
        throw new Error(`Envoy: ${name} of ${cluster} is ${found}, not ${value}: ${this.said()}`)
      await delay(50)
    }
  }

  /** Waits until it has this many pods, all healthy. */
  async untilPods(count: number): Promise<void> {
    for (const cluster of ['pods', 'behind']) {
      await this.until(cluster, 'membership_total', count)
      await this.until(cluster, 'membership_healthy', count)
    }
  }
}

function startPod(kafka: KafkaCluster): Promise<Started> {
  const conf = { request_timeout_ms: REQUEST_TIMEOUT_MS, shutdown_timeout_ms: SHUTDOWN_TIMEOUT_MS }
  return startEventGate(kafka.bootstrap, conf)
}

/** Rolls each pod once: out of the endpoints, preStop, SIGTERM, the next one. */
async function roll(envoy: Envoy, folder: string, kafka: KafkaCluster, pods: Started[]): Promise<string[]> {
  const problems: string[] = []
  for (const [i, pod] of pods.entries()) {
    writeEndpoints(
      folder,
      pods.filter(other => other !== pod),
    )
    await envoy.untilPods(pods.length - 1)
    await delay(PRE_STOP_MS)
    const began = performance.now()
    await pod.close()
    const { exitCode } = pod.process
    console.log(`pod ${i + 1} ended with ${exitCode} after ${Math.round(performance.now() - began)} ms`)
    if (exitCode !== 0) problems.push(`pod ${i + 1} ended with ${exitCode}`)
    pods[i] = await startPod(kafka)
    writeEndpoints(folder, pods)
    await envoy.untilPods(pods.length)
  }
  return problems
}

async function storedIds(kafka: KafkaCluster): Promise<Map<string, number>> {
  const stored = new Map<string, number>()
  for await (const { value } of readRecords(kafka.bootstrap, TOPICS)) {
    const { meta } = JSON.parse(String(value)) as { meta: { id: string } }
    stored.set(meta.id, (stored.get(meta.id) ?? 0) + 1)
  }
  return stored
}

function load(envoy: Envoy, way: Way, streams: readonly string[], more: () => boolean): Promise<Answered[]> {
  const url = `http://127.0.0.1:${envoy.ports[way]}/v1/events`
  return offer({ url, rate: RATE, streams, more, hastyEvery: 4, giveUpMs: 30_000 })
}

/** What went wrong with one way, by the records and by Envoy. */
async function judge(
  envoy: Envoy,
  way: Way,
  answered: Answered[],
  stored: Map<string, number>,
): Promise<string[]> {
  const own = new Set(answered.map(({ id }) => id))
  const ofWay = new Map([...stored].filter(([id]) => own.has(id)))
  const history = { faults: [], lives: [], deleted: [], heldUpMs: 0 }
  const report = balance(answered, ofWay, history, 2 * REQUEST_TIMEOUT_MS)
  const figures = ['upstream_rq_total', 'upstream_rq_retry', 'upstream_cx_total', 'upstream_cx_connect_fail']
  const seen: Record<string, number | undefined> = {}
  for (const name of figures) seen[name] = await envoy.figure(way, name)
  const { sent, statuses, storedOnce, storedTwice, latency } = report
  console.log(
    `${WAYS[way]}: ${JSON.stringify({ sent, statuses, storedOnce, storedTwice, ...latency, ...seen })}`,
  )
  // Nothing fails here, so all must be answered 201. A roll may end before anything counts as settled.
  const problems = violations(report, 1).filter(
    problem => report.settled.sent > 0 || !problem.startsWith('of those sent later'),
  )
  if (!(latency.p50 < BUSY_MS))
    problems.unshift(
      `half of the answers took more than ${BUSY_MS} ms: this machine is too busy to tell anything`,
    )
  for (const status of Object.keys(statuses))
    if (status !== '201' && status !== '202')
      problems.push(`${statuses[status]} events were answered ${status}`)
  if (storedOnce !== sent) problems.push(`${sent - storedOnce} of ${sent} events are not stored once`)
  if (!((seen.upstream_rq_total ?? 0) > 0)) problems.push('Envoy knows of no request')
  if (seen.upstream_rq_retry !== 0) problems.push(`Envoy tried ${seen.upstream_rq_retry} requests again`)
  return problems.map(problem => `${WAYS[way]}: ${problem}`)
}

/** The same figures after a pod was killed. They must show it, or they prove nothing about the roll. */
async function control(envoy: Envoy, pods: readonly Started[]): Promise<string[]> {
  const until = Date.now() + 3000
  const sending = load(envoy, 'pods', [CONTROL_TOPIC], () => Date.now() < until)
  await delay(1000)
  await pods[0]?.kill9()
  await sending
  const retries = (await envoy.figure('pods', 'upstream_rq_retry')) ?? 0
  console.log(`control: a pod was killed with -9, and Envoy tried ${retries} requests again`)
  return retries > 0 ? [] : ['a pod was killed, and Envoy tells of no retry: its figure is worth nothing']
}

async function check(rounds: number): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'eventgate-roll-'))
  ends.unshift(() => rmSync(folder, { recursive: true, force: true }))
  const kafka = await startKafka()
  ends.unshift(() => kafka.close())
  for (const topic of [...TOPICS, CONTROL_TOPIC]) await kafka.createTopic(topic, { partitions: 3 })
  const pods = [await startPod(kafka), await startPod(kafka)]
  ends.unshift(() =>
    Promise.all(pods.map(pod => pod.process.exitCode ?? pod.process.signalCode ?? pod.kill9())),
  )
  writeEndpoints(folder, pods)
  const envoy = await Envoy.start(folder)
  await envoy.untilPods(pods.length)

  let rolling = true
  const sending = (Object.keys(WAYS) as Way[]).map(
    async way => [way, await load(envoy, way, TOPICS, () => rolling)] as const,
  )
  const problems: string[] = []
  try {
    await delay(2000)
    for (let round = 1; round <= rounds; round++) {
      console.log(`== round ${round} of ${rounds}`)
      problems.push(...(await roll(envoy, folder, kafka, pods)))
    }
  } finally {
    rolling = false
    await Promise.all(sending)
  }
  // Events answered 202 are sent soon after.
  await delay(1000)
  const stored = await storedIds(kafka)
  for (const [way, answered] of await Promise.all(sending))
    problems.push(...(await judge(envoy, way, answered, stored)))
  problems.push(...(await control(envoy, pods)))
  return problems
}

async function main(rounds: number): Promise<number> {
  const absent = missing()
  if (absent.length > 0) {
    console.error(`check:roll: missing: ${absent.join(', ')}`)
    return 1
  }
  try {
    const problems = await check(rounds)
    for (const problem of problems) console.error(`check:roll: ${problem}`)
    return problems.length === 0 ? 0 : 1
  } catch (error) {
    console.error(`check:roll: ${(error as Error).message}`)
    return 1
  } finally {
    for (const end of ends) await end()
  }
}

process.exit(await main(Number(process.argv[2] ?? 3)))
