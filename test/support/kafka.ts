/**
 * A real Apache Kafka for the tests, on loopback: one or several combined KRaft brokers, or brokers with a ZooKeeper for
 * old versions. The tests fetch and start it. They can kill, stop, restart and upgrade brokers.
 *
 *     const kafka = await startKafka({ brokers: 3 })
 *     t.after(() => kafka.close())
 *     await kafka.createTopic('events', { partitions: 6, replicationFactor: 3 })
 *     await kafka.broker(await kafka.leaderOf('events', 0)).kill9()
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import kafkajs, { type Admin } from 'kafkajs'
import { type Credential, type TestAuthority, testAuthority } from './kafka-certs.js'
import { isBefore, KAFKA_VERSION, kafkaClassPath } from './kafka-jars.js'
import { readBatches, type StoredBatch } from './kafka-log.js'
import { electPreferredLeaders, javaProperties, writeKeystore } from './kafka-read.js'

export type { StoredBatch } from './kafka-log.js'
export { javaPartitions, type KafkaRecord, readRecords, readTopics } from './kafka-read.js'

const run = promisify(execFile)

export type Protocol = 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'

export interface KafkaOptions {
  /** Default: KAFKA_VERSION. Before 3.0 with ZooKeeper, and before 3.5 where there are users, for SCRAM. */
  version?: string
  /** How many; each is broker and controller. Default 1. */
  brokers?: number
  /** Properties of every broker, over the harness's own. */
  properties?: Record<string, string>
  /** Protocols to listen for beside `PLAINTEXT`. TLS ones use an authority made for this cluster. */
  listeners?: Exclude<Protocol, 'PLAINTEXT'>[]
  /**
   * For clients that are to reach the brokers through something in between: each broker listens once more, in
   * plain text. Given the address of that listener, answers the one that such clients are told.
   */
  through?: (nodeId: number, address: string) => Promise<string>
  /** User → password, known to SCRAM-SHA-512, SCRAM-SHA-256 and PLAIN. */
  users?: Record<string, string>
  /** Put before `java …`: `['taskset', '-c', '1']`. It must exec, not fork: signals go to its pid. */
  prefix?: string[]
  /**
   * Of each broker's JVM, after `-Xmx700m -XX:+UseSerialGC`. By default the quick compiler alone, which halves
   * the time until it answers; a benchmark, which runs for minutes, wants `[]`.
   */
  javaOptions?: string[]
}

export interface TopicOptions {
  partitions?: number
  /** Default: as many as there are brokers, at most 3. */
  replicationFactor?: number
  config?: Record<string, string>
  /** Which brokers hold each partition, its preferred leader first; instead of the two numbers above. */
  assignment?: number[][]
}

export interface PartitionState {
  partition: number
  leader: number
  replicas: number[]
  isr: number[]
}

/** A Kafka that is there, ours or another's. */
export interface Kafka {
  /** `host:port,…` of its PLAINTEXT listeners. */
  readonly bootstrap: string
  /** Creates a topic, and returns when every broker that runs knows all its leaders, and they serve it. */
  createTopic(name: string, options?: TopicOptions): Promise<void>
  partitionsOf(topic: string): Promise<PartitionState[]>
  /** The node id of the broker that leads the partition now. Waits while it has no leader. */
  leaderOf(topic: string, partition: number): Promise<number>
  /** Waits until every replica of the topics is in sync. */
  whenInSync(topics: string[], timeoutMs?: number): Promise<void>
  close(): Promise<void>
}

/** A Kafka of the test's own. */
export interface KafkaCluster extends Kafka {
  readonly version: string
  readonly brokers: readonly Broker[]
  /** What clients need for TLS; only if a TLS listener was asked for. */
  readonly tls: { ca: string; caFile: string; authority: TestAuthority } | undefined
  /** `host:port,…` of what stands between, where `through` was asked for. */
  readonly bootstrapThrough: string
  bootstrapOf(protocol: Protocol): string
  broker(nodeId: number): Broker
  /** Lets a user write to topics, and know of them, and nothing else. Only with ZooKeeper, and an authorizer. */
  allowWrites(user: string, topics: readonly string[]): Promise<void>
  /** Deletes a topic, and returns when no broker that runs knows it any more. */
  deleteTopic(name: string): Promise<void>
  /** Has another replica than now lead each partition of the topics; all must be in sync. Returns when they do. */
  moveLeaders(topics: readonly string[]): Promise<void>
  /** Has a topic of so many partitions in all. */
  addPartitions(topic: string, count: number): Promise<void>
  /** The batches that a broker (default: the leader) holds of a partition, read from its disk. */
  batches(topic: string, partition: number, nodeId?: number): Promise<StoredBatch[]>
}

/**
 * Waits until `attempt` gives something. What it throws is taken for "not yet", and is the cause of the error
 * when time is up.
 */
async function until<T>(
  what: string,
  timeoutMs: number,
  attempt: () => Promise<T | undefined>,
  pauseMs = 100,
): Promise<T> {
  const end = performance.now() + timeoutMs
  let cause: unknown
  for (;;) {
    try {
      const result = await attempt()
      if (result !== undefined) return result
    } catch (thrown) {
      if (thrown instanceof Fatal) throw thrown
      cause = thrown
    }
    if (performance.now() > end) {
      throw new Error(`${what}: not within ${timeoutMs} ms (${cause ?? 'no error'})`, { cause })
    }
    await sleep(pauseMs)
  }
}

/** For `until`, of what has no answer but that it is done. */
const done = (work: Promise<unknown>) => work.then(() => true)

/** Waiting longer cannot help. */
class Fatal extends Error {}

/**
 * Free ports below the range of ports for outgoing connections. From within that range, a client's connection could
 * take a killed broker's port before the broker is back. On loopback, a client that dials a dead broker could even
 * connect to itself.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = 12_000 + Math.floor(Math.random() * 20_000)
    const server = createServer()
    const free = await new Promise<boolean>(resolve => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) ports.add(port)
  }
  return [...ports]
}

/** One connection, to one broker, for one question: kafkajs's pool would ask any broker it likes. */
async function ask<T>(broker: string, question: (admin: Admin) => Promise<T>): Promise<T> {
  const client = new kafkajs.Kafka({
    brokers: broker.split(','),
    clientId: 'eventgate-test-admin',
    connectionTimeout: 1000,
    requestTimeout: 5000,
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries: 0 },
  })
  const admin = client.admin()
  try {
    await admin.connect()
    return await question(admin)
  } finally {
    await admin.disconnect().catch(() => {})
  }
}

/** What both kinds of Kafka can do, through `addresses()`: those of the brokers that run now. */
class Client {
  constructor(
    readonly bootstrap: string,
    readonly addresses: () => string[],
  ) {}

  /** Asks one broker after the other until one answers. */
  protected async ask<T>(
    what: string,
    question: (admin: Admin) => Promise<T>,
    timeoutMs = 30_000,
  ): Promise<T> {
    let turn = 0
    return until(what, timeoutMs, () => {
      const addresses = this.addresses()
      return ask(addresses[turn++ % addresses.length] ?? this.bootstrap, question)
    })
  }

  async createTopic(name: string, options: TopicOptions = {}): Promise<void> {
    const placement =
      options.assignment === undefined
        ? {
            numPartitions: options.partitions ?? 1,
            replicationFactor: options.replicationFactor ?? Math.min(3, this.addresses().length),
          }
        : {
            numPartitions: -1,
            replicationFactor: -1,
            replicaAssignment: options.assignment.map((replicas, partition) => ({ partition, replicas })),
          }
    const configEntries = Object.entries(options.config ?? {}).map(([name, value]) => ({ name, value }))
    const created = await this.ask(`creating the topic ${name}`, async admin => {
      try {
        return await admin.createTopics({
          waitForLeaders: false,
          topics: [{ topic: name, ...placement, configEntries }],
        })
      } catch (thrown) {
        // kafkajs hides the reason among `errors`. Only these two are worth a retry; others are a bad setting, …
        const errors = (thrown as { errors?: { type?: string; message: string }[] }).errors ?? []
        const refusal = errors.find(({ type }) => type !== 'NOT_CONTROLLER' && type !== 'REQUEST_TIMED_OUT')
        if (refusal) throw new Fatal(`creating the topic ${name}: ${refusal.type}: ${refusal.message}`)
        throw thrown
      }
    })
    // Another test's topic, whose records this one would read.
    if (!created) throw new Error(`creating the topic ${name}: it exists already`)
    for (const address of this.addresses()) {
      await until(`${address} learns of the topic ${name}`, 30_000, async () => {
        const partitions = await ask(address, admin => states(admin, name))
        return partitions.every(inSync) || undefined
      })
    }
    // Brokers know of a leader before that leader knows it: for a moment it answers UNKNOWN_TOPIC_OR_PARTITION.
    await this.ask(`the leaders of ${name} answer`, admin => admin.fetchTopicOffsets(name))
  }

  partitionsOf(topic: string): Promise<PartitionState[]> {
    return this.ask(`the partitions of ${topic}`, admin => states(admin, topic))
  }

  async leaderOf(topic: string, partition: number): Promise<number> {
    return until(`the leader of ${topic}-${partition}`, 30_000, async () => {
      const found = (await this.partitionsOf(topic)).find(p => p.partition === partition)
      if (found === undefined) throw new Fatal(`the topic ${topic} has no partition ${partition}`)
      return found.leader >= 0 ? found.leader : undefined
    })
  }

  async whenInSync(topics: string[], timeoutMs = 60_000): Promise<void> {
    for (const topic of topics) {
      await until(`all replicas of ${topic} in sync`, timeoutMs, async () => {
        const partitions = await this.partitionsOf(topic)
        return partitions.every(inSync) || undefined
      })
    }
  }
}

const inSync = (p: PartitionState) => p.leader >= 0 && p.isr.length === p.replicas.length

async function states(admin: Admin, topic: string): Promise<PartitionState[]> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  return (topics[0]?.partitions ?? [])
    .map(p => ({ partition: p.partitionId, leader: p.leader, replicas: p.replicas, isr: p.isr }))
    .sort((a, b) => a.partition - b.partition)
}

/**
 * A process that outlives ours, however ours ends: when the pipe from us closes, it kills the brokers named last
 * and removes the folder. An exit handler could do neither after a SIGKILL, and a broker that is stopped
 * (SIGSTOP) could not end itself.
 */
class Watchdog {
  readonly #child: ChildProcess
  readonly #pids = new Set<number>()

  constructor(folder: string) {
    const script =
      'pids=; while read -r line; do pids=$line; done; [ -z "$pids" ] || kill -9 $pids 2>/dev/null; ' +
      'rm -rf -- "$1" 2>/dev/null || { sleep 1; rm -rf -- "$1"; }'
    // Detached: a Ctrl-C in the terminal goes to our whole process group.
    this.#child = spawn('/bin/sh', ['-c', script, 'kafka-watchdog', folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    this.#child.unref()
    this.#child.stdin?.on('error', () => {})
    // A test that forgets `close()` is to end all the same; pipes are not in the types of streams.
    const pipe = this.#child.stdin as unknown as { unref?: () => void } | null
    pipe?.unref?.()
  }

  watch(pid: number): void {
    this.#pids.add(pid)
    this.#tell()
  }

  /** The process has ended: its number may soon be another's. */
  forget(pid: number): void {
    this.#pids.delete(pid)
    this.#tell()
  }

  #tell(): void {
    this.#child.stdin?.write(`${[...this.#pids].join(' ')}\n`)
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return
    this.#child.ref()
    const exit = once(this.#child, 'exit')
    this.#child.stdin?.end()
    await exit
  }
}

interface BrokerFiles {
  config: string
  log: string
  logDir: string
}

/** One process of Java's, from start to start. */
class Server {
  #child: ChildProcess | undefined
  #exit: Promise<unknown> | undefined
  #stopped = false

  constructor(
    readonly name: string,
    readonly files: Readonly<BrokerFiles>,
    protected command: readonly string[],
    private readonly watchdog: Watchdog,
  ) {}

  get state(): 'running' | 'stopped' | 'dead' {
    if (this.#child === undefined) return 'dead'
    return this.#stopped ? 'stopped' : 'running'
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Starts the process; does not wait until it answers. */
  start(): void {
    if (this.#child) throw new Error(`${this.name} runs already`)
    const [program = '', ...args] = [...this.command, this.files.config]
    const log = openSync(this.files.log, 'a')
    const child = spawn(program, args, { stdio: ['ignore', log, log] })
    closeSync(log)
    const { pid } = child
    this.#child = child
    this.#stopped = false
    this.#exit = new Promise<void>(resolve => {
      const ended = () => {
        if (this.#child !== child) return
        this.#child = undefined
        if (pid !== undefined) this.watchdog.forget(pid)
        resolve()
      }
      child.once('exit', ended)
      child.once('error', ended) // it could not be spawned
    })
    if (pid !== undefined) this.watchdog.watch(pid)
    child.unref()
  }

  /** SIGKILL: a power cut, as far as clients see. */
  async kill9(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** SIGTERM: hands its leaderships over and ends. */
  async terminate(): Promise<void> {
    this.cont()
    await this.#end('SIGTERM')
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#child?.ref()
    this.#child?.kill(signal)
    await this.#exit
  }

  /** SIGSTOP: its connections stay open, and nothing answers. */
  stop(): void {
    if (this.#child?.kill('SIGSTOP')) this.#stopped = true
  }

  cont(): void {
    this.#child?.kill('SIGCONT')
    this.#stopped = false
  }

  /** The last lines that it printed: warnings and errors. */
  async logTail(lines = 40): Promise<string[]> {
    const text = await readFile(this.files.log, 'utf8').catch(() => '')
    return text.trimEnd().split('\n').slice(-lines)
  }
}

/** One broker. */
export class Broker extends Server {
  /** ZooKeeper takes a broker that was killed for alive until then, and refuses another one of its number. */
  #startableAt = 0

  constructor(
    readonly nodeId: number,
    readonly addresses: Readonly<Partial<Record<Protocol, string>>>,
    files: Readonly<BrokerFiles>,
    private readonly commandOf: (version: string) => Promise<readonly string[]>,
    command: readonly string[],
    watchdog: Watchdog,
    private readonly hasZookeeper: boolean,
  ) {
    super(`broker ${nodeId}`, files, command, watchdog)
  }

  /** `127.0.0.1:port` of its PLAINTEXT listener. */
  get address(): string {
    return this.addresses.PLAINTEXT ?? ''
  }

  override async kill9(): Promise<void> {
    if (this.hasZookeeper)
      this.#startableAt = performance.now() + ZOOKEEPER_SESSION_MS + 2 * ZOOKEEPER_TICK_MS
    await super.kill9()
  }

  /** Starts it again after its end, and waits until it serves. Its replicas may still have to catch up. */
  async restart(): Promise<void> {
    if (this.state !== 'dead') await this.terminate()
    await sleep(Math.max(0, this.#startableAt - performance.now()))
    this.start()
    await this.whenServing(1)
  }

  /** As `restart`, with another version of Kafka. */
  async upgrade(version: string): Promise<void> {
    this.command = await this.commandOf(version)
    await this.restart()
  }

  /** Waits until it answers, as a member of a cluster of at least `size`. */
  async whenServing(size: number, timeoutMs = 100_000): Promise<void> {
    await until(
      `broker ${this.nodeId} serves`,
      timeoutMs,
      async () => {
        if (this.state === 'dead') {
          throw new Fatal(`broker ${this.nodeId} ended:\n${(await this.logTail()).join('\n')}`)
        }
        const { brokers, controller } = await ask(this.address, admin => admin.describeCluster())
        const member = brokers.some(broker => broker.nodeId === this.nodeId)
        return (member && brokers.length >= size && controller !== null) || undefined
      },
      50,
    )
  }
}

const SASL_MECHANISMS = ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'PLAIN'] as const

/** Files of a broker's key and of its authority, as Kafka's versions take them. */
interface Stores {
  type: 'PEM' | 'PKCS12'
  key: string
  ca: string
  password?: string
}

/** What brokers need for TLS and SASL, by Kafka's names. */
function securityProperties(
  listeners: readonly Protocol[],
  users: Record<string, string>,
  { type, key, ca, password }: Stores,
): Record<string, string> {
  const properties: Record<string, string> = {}
  if (listeners.some(protocol => protocol.endsWith('SSL'))) {
    properties['ssl.keystore.type'] = type
    properties['ssl.keystore.location'] = key
    properties['ssl.truststore.type'] = type
    properties['ssl.truststore.location'] = ca
    if (password)
      for (const name of ['ssl.keystore.password', 'ssl.key.password', 'ssl.truststore.password'])
        properties[name] = password
  }
  const plainUsers = Object.entries(users).map(([name, password]) => ` user_${name}="${password}"`)
  const modules: Record<(typeof SASL_MECHANISMS)[number], string> = {
    'SCRAM-SHA-512': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
    'SCRAM-SHA-256': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
    PLAIN: `org.apache.kafka.common.security.plain.PlainLoginModule required${plainUsers.join('')};`,
  }
  for (const listener of listeners.filter(protocol => protocol.startsWith('SASL'))) {
    const prefix = `listener.name.${listener.toLowerCase()}`
    properties[`${prefix}.sasl.enabled.mechanisms`] = SASL_MECHANISMS.join(',')
    for (const mechanism of SASL_MECHANISMS) {
      properties[`${prefix}.${mechanism.toLowerCase()}.sasl.jaas.config`] = modules[mechanism]
    }
  }
  return properties
}

/** The harness's own settings. What is not here is Kafka's default, failure detection (9 s) above all. */
function commonProperties(brokers: number): Record<string, string> {
  const replicas = String(Math.min(3, brokers))
  return {
    'listener.security.protocol.map':
      'CONTROLLER:PLAINTEXT,THROUGH:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL',
    'inter.broker.listener.name': 'PLAINTEXT',
    'default.replication.factor': replicas,
    'min.insync.replicas': brokers >= 3 ? '2' : '1',
    // Events carry the time of their making. By default the broker would delete old ones half a minute later.
    'log.retention.ms': '-1',
    'group.initial.rebalance.delay.ms': '0',
    'offsets.topic.num.partitions': '1',
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.num.partitions': '1',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': '1',
  }
}

/** What ZooKeeper's version in Kafka 1.1 would do with a newer Java, and what Java 17 keeps from both. */
const OLD_JAVA_OPTIONS = [
  '-Dzookeeper.jmx.log4j.disable=true',
  ...['nio', 'lang', 'util'].map(name => `--add-opens=java.base/java.${name}=ALL-UNNAMED`),
  '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED',
]
/** For how long a broker that says nothing is taken for alive: the default of 1.1; later ones have 18 s. */
const ZOOKEEPER_SESSION_MS = 6000
const ZOOKEEPER_TICK_MS = 500

/** Runs one of Kafka's own tools for brokers with ZooKeeper, and gives what it prints. */
async function runOldTool(version: string, main: string, args: readonly string[]): Promise<string> {
  const options = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', ...OLD_JAVA_OPTIONS]
  const { stdout } = await run('java', [...options, '-cp', await kafkaClassPath(version), main, ...args])
  return stdout
}

/**
 * Formats one folder and copies it for the others, which saves a JVM each: they differ only in two lines of
 * `meta.properties`. SCRAM users are part of what is formatted.
 */
async function format(
  brokers: readonly Broker[],
  classPath: string,
  users: Record<string, string>,
): Promise<void> {
  const [first, ...others] = brokers
  if (!first) return
  const scram = Object.entries(users).flatMap(([name, password]) =>
    ['SCRAM-SHA-512', 'SCRAM-SHA-256'].flatMap(mechanism => [
      '--add-scram',
      `${mechanism}=[name=${name},password=${password}]`,
    ]),
  )
  const clusterId = randomBytes(16).toString('base64url').replace(/^-/, 'A') // a leading dash is an option
  const java = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classPath, 'kafka.tools.StorageTool']
  await run('java', [...java, 'format', '-t', clusterId, '-c', first.files.config, ...scram])
  for (const broker of others) {
    await cp(first.files.logDir, broker.files.logDir, { recursive: true })
    const file = join(broker.files.logDir, 'meta.properties')
    const text = await readFile(file, 'utf8')
    const directoryId = randomBytes(16).toString('base64url').replace(/^-/, 'A')
    await writeFile(
      file,
      text
        .replace(/^node\.id=.*$/m, `node.id=${broker.nodeId}`)
        .replace(/^directory\.id=.*$/m, `directory.id=${directoryId}`),
    )
  }
}

class Cluster extends Client implements KafkaCluster {
  constructor(
    readonly version: string,
    private readonly zookeeper: { server: Server; address: string } | undefined,
    readonly brokers: readonly Broker[],
    readonly tls: KafkaCluster['tls'],
    readonly bootstrapThrough: string,
    private readonly watchdog: Watchdog,
  ) {
    super(brokers.map(broker => broker.address).join(','), () =>
      brokers.filter(broker => broker.state === 'running').map(broker => broker.address),
    )
  }

  bootstrapOf(protocol: Protocol): string {
    return this.brokers
      .map(broker => {
        const address = broker.addresses[protocol]
        if (address === undefined)
          throw new Error(`this Kafka was not started with a listener for ${protocol}`)
        return address
      })
      .join(',')
  }

  broker(nodeId: number): Broker {
    const broker = this.brokers.find(candidate => candidate.nodeId === nodeId)
    if (!broker) throw new Error(`no broker ${nodeId}`)
    return broker
  }

  async deleteTopic(name: string): Promise<void> {
    await this.ask(`deleting the topic ${name}`, admin => done(admin.deleteTopics({ topics: [name] })))
    for (const address of this.addresses()) {
      await until(`${address} forgets the topic ${name}`, 30_000, async () => {
        const known = await ask(address, admin => admin.listTopics())
        return !known.includes(name) || undefined
      })
    }
  }

  async moveLeaders(topics: readonly string[]): Promise<void> {
    const moved = async (topic: string) => {
      // The next replica after the leader becomes the preferred one.
      const partitionAssignment = (await this.partitionsOf(topic)).map(({ partition, replicas, leader }) => {
        const next = (replicas.indexOf(leader) + 1) % replicas.length
        return { partition, replicas: [...replicas.slice(next), ...replicas.slice(0, next)] }
      })
      return { topic, partitionAssignment }
    }
    const wanted = await Promise.all(topics.map(moved))
    if (isBefore(this.version, '2.4')) await this.#moveByZookeeper(wanted)
    else {
      await this.ask('other preferred leaders', admin =>
        done(admin.alterPartitionReassignments({ topics: wanted })),
      )
      await electPreferredLeaders(this.addresses().join(','), topics)
    }
    for (const { topic, partitionAssignment } of wanted) {
      const leaders = partitionAssignment.map(({ replicas }) => replicas[0])
      await until(`the new leaders of ${topic}`, 30_000, async () => {
        const partitions = await this.partitionsOf(topic)
        return partitions.every(({ leader }, i) => leader === leaders[i]) || undefined
      })
    }
  }

  /** Brokers before 2.4 are told of such things by what their tools write to ZooKeeper. */
  async #moveByZookeeper(
    wanted: { topic: string; partitionAssignment: { partition: number; replicas: number[] }[] }[],
  ): Promise<void> {
    const all = wanted.flatMap(({ topic, partitionAssignment }) =>
      partitionAssignment.map(({ partition, replicas }) => ({ topic, partition, replicas })),
    )
    const folder = dirname(this.zookeeper?.server.files.config ?? '')
    const file = join(folder, 'partitions.json')
    const tool = (main: string, option: string, ...more: string[]) =>
      runOldTool(this.version, main, ['--zookeeper', this.zookeeper?.address ?? '', option, file, ...more])
    await writeFile(file, JSON.stringify({ version: 1, partitions: all }))
    await tool('kafka.admin.ReassignPartitionsCommand', '--reassignment-json-file', '--execute')
    await until('other preferred leaders', 30_000, async () => {
      const told = await tool('kafka.admin.ReassignPartitionsCommand', '--reassignment-json-file', '--verify')
      return !/in progress|failed/.test(told) || undefined
    })
    await writeFile(
      file,
      JSON.stringify({ partitions: all.map(({ topic, partition }) => ({ topic, partition })) }),
    )
    await tool('kafka.admin.PreferredReplicaLeaderElectionCommand', '--path-to-json-file')
  }

  async allowWrites(user: string, topics: readonly string[]): Promise<void> {
    const args = ['--authorizer-properties', `zookeeper.connect=${this.zookeeper?.address}`, '--add']
    const rights = ['--operation', 'Write', '--operation', 'Describe', '--allow-principal', `User:${user}`]
    const named = topics.flatMap(topic => ['--topic', topic])
    await runOldTool(this.version, 'kafka.admin.AclCommand', [...args, ...rights, ...named])
  }

  async addPartitions(topic: string, count: number): Promise<void> {
    await this.ask(`more partitions of ${topic}`, async admin => {
      // An answer that came too late may have made them.
      if ((await states(admin, topic)).length < count)
        await admin.createPartitions({ topicPartitions: [{ topic, count }] })
      return true
    })
  }

  async batches(topic: string, partition: number, nodeId?: number): Promise<StoredBatch[]> {
    const broker = this.broker(nodeId ?? (await this.leaderOf(topic, partition)))
    return readBatches(broker.files.logDir, topic, partition)
  }

  async close(): Promise<void> {
    // Nobody reads these logs again, and a controlled shutdown of all three would wait for each other.
    await Promise.all(this.brokers.map(broker => broker.kill9()))
    await this.zookeeper?.server.kill9()
    await this.watchdog.end()
  }
}

/** Starts a ZooKeeper with what its brokers must find there. */
async function startZookeeper(
  folder: string,
  version: string,
  port: number | undefined,
  users: Record<string, string>,
  watchdog: Watchdog,
): Promise<{ server: Server; address: string }> {
  const address = `127.0.0.1:${port}`
  const logDir = join(folder, 'zookeeper')
  const files = { config: join(folder, 'zookeeper.properties'), log: join(folder, 'zookeeper.out'), logDir }
  await writeFile(
    files.config,
    javaProperties({
      dataDir: logDir,
      clientPort: String(port),
      clientPortAddress: '127.0.0.1',
      tickTime: String(ZOOKEEPER_TICK_MS),
      maxSessionTimeout: '60000',
      maxClientCnxns: '0',
      'admin.enableServer': 'false',
    }),
  )
  const command = javaCommand(await kafkaClassPath(version), ['-Xmx128m', ...OLD_JAVA_OPTIONS])
  const server = new Server(
    'ZooKeeper',
    files,
    [...command, 'org.apache.zookeeper.server.quorum.QuorumPeerMain'],
    watchdog,
  )
  server.start()
  await until('ZooKeeper listens', 60_000, () => accepts(port ?? 0))
  for (const [name, password] of Object.entries(users)) {
    const scram = ['SCRAM-SHA-512', 'SCRAM-SHA-256'].map(mechanism => `${mechanism}=[password=${password}]`)
    await runOldTool(version, 'kafka.admin.ConfigCommand', [
      ...['--zookeeper', address, '--alter', '--add-config', scram.join(',')],
      ...['--entity-type', 'users', '--entity-name', name],
    ])
  }
  return { server, address }
}

/** Undefined while nothing listens on a port. */
function accepts(port: number): Promise<true | undefined> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(undefined))
  })
}

function javaCommand(classPath: string, options: readonly string[]): string[] {
  return [
    'java',
    '-XX:+UseSerialGC',
    ...options,
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-cp',
    classPath,
  ]
}

/** Starts a Kafka, and returns when all its brokers answer. Ends it and throws if they do not. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaCluster> {
  const { brokers: count = 1, users = {}, prefix = [], javaOptions = ['-XX:TieredStopAtLevel=1'] } = options
  const { version = KAFKA_VERSION } = options
  // SCRAM came to KRaft with 3.5.
  const hasZookeeper = isBefore(version, Object.keys(users).length > 0 ? '3.5' : '3.0')
  const protocols: Protocol[] = ['PLAINTEXT', ...(options.listeners ?? [])]
  const folder = await mkdtemp(join(tmpdir(), 'eventgate-kafka-'))
  const watchdog = new Watchdog(folder)
  const nodeIds = Array.from({ length: count }, (_, index) => index + 1)
  const ports = await freePorts(count * (protocols.length + 2) + 1)
  const controllers = new Map(nodeIds.map(id => [id, `127.0.0.1:${ports.pop()}`]))

  const caFile = join(folder, 'ca.pem')
  const stores: Stores = { type: 'PEM', key: join(folder, 'broker.pem'), ca: caFile }
  let tls: KafkaCluster['tls']
  if (protocols.some(protocol => protocol.endsWith('SSL'))) {
    const authority = testAuthority()
    const own: Credential = authority.issue('127.0.0.1')
    await writeFile(caFile, authority.ca)
    await writeFile(stores.key, own.key + own.cert, { mode: 0o600 })
    tls = { ca: authority.ca, caFile, authority }
    if (isBefore(version, '3.0')) {
      const [key, ca, password] = [join(folder, 'broker.p12'), join(folder, 'ca.p12'), 'changeit']
      await writeKeystore(key, password, own.key + own.cert)
      await writeKeystore(ca, password, authority.ca)
      Object.assign(stores, { type: 'PKCS12', key, ca, password })
    }
  }

  const commandOf = async (version: string) => [
    ...prefix,
    ...javaCommand(await kafkaClassPath(version), [
      '-Xmx700m',
      ...(hasZookeeper ? OLD_JAVA_OPTIONS : []),
      ...javaOptions,
    ]),
    'kafka.Kafka',
  ]
  const command = await commandOf(version)
  const brokers: Broker[] = []
  const bootstrapThrough: string[] = []
  const zookeeper = hasZookeeper
    ? await startZookeeper(folder, version, ports.pop(), users, watchdog).catch(async thrown => {
        await watchdog.end()
        throw thrown
      })
    : undefined
  for (const nodeId of nodeIds) {
    const addresses = Object.fromEntries(protocols.map(protocol => [protocol, `127.0.0.1:${ports.pop()}`]))
    const listeners = Object.entries(addresses).map(([protocol, address]) => `${protocol}://${address}`)
    const advertised = [...listeners]
    if (options.through) {
      const address = `127.0.0.1:${ports.pop()}`
      const told = await options.through(nodeId, address)
      listeners.push(`THROUGH://${address}`)
      advertised.push(`THROUGH://${told}`)
      bootstrapThrough.push(told)
    }
    const files = {
      config: join(folder, `broker-${nodeId}.properties`),
      log: join(folder, `broker-${nodeId}.out`),
      logDir: join(folder, `broker-${nodeId}`),
    }
    const properties = {
      ...commonProperties(count),
      ...securityProperties(protocols, users, stores),
      ...(zookeeper
        ? {
            'broker.id': String(nodeId),
            'zookeeper.connect': zookeeper.address,
            'zookeeper.session.timeout.ms': String(ZOOKEEPER_SESSION_MS),
            listeners: listeners.join(','),
          }
        : {
            'node.id': String(nodeId),
            'process.roles': 'broker,controller',
            'controller.listener.names': 'CONTROLLER',
            'controller.quorum.voters': [...controllers].map(([id, address]) => `${id}@${address}`).join(','),
            listeners: [...listeners, `CONTROLLER://${controllers.get(nodeId)}`].join(','),
          }),
      'advertised.listeners': advertised.join(','),
      'log.dirs': files.logDir,
      ...options.properties,
    }
    await writeFile(files.config, javaProperties(properties), { mode: 0o600 })
    brokers.push(new Broker(nodeId, addresses, files, commandOf, command, watchdog, hasZookeeper))
  }

  const cluster = new Cluster(version, zookeeper, brokers, tls, bootstrapThrough.join(','), watchdog)
  try {
    if (!zookeeper) await format(brokers, await kafkaClassPath(version), users)
    for (const broker of brokers) broker.start()
    await Promise.all(brokers.map(broker => broker.whenServing(count)))
    return cluster
  } catch (thrown) {
    await cluster.close()
    throw thrown
  }
}

/**
 * A Kafka for tests that only need brokers that answer. It is the cluster that `KAFKA_BROKERS` names, or one broker
 * started here. A named cluster only gets new topics.
 */
export async function anyKafka(): Promise<Kafka> {
  const named = process.env.KAFKA_BROKERS
  if (!named) return startKafka()
  const client = new Client(named, () => named.split(','))
  return {
    bootstrap: named,
    createTopic: (name, options) => client.createTopic(name, options),
    partitionsOf: topic => client.partitionsOf(topic),
    leaderOf: (topic, partition) => client.leaderOf(topic, partition),
    whenInSync: (topics, timeoutMs) => client.whenInSync(topics, timeoutMs),
    close: async () => {},
  }
}

/** A name for a topic that no other test has, in a cluster that may be shared. */
export function topicName(prefix: string): string {
  return `${prefix}.${randomBytes(6).toString('hex')}`
}
