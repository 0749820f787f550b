/**
 * Uses Kafka's own Java client: it reads stored records, finds the partition of a key, and requests elections, which
 * kafkajs cannot do.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { toolClassPath } from './kafka-jars.js'

/** A record as Java's consumer read it, bytes untouched. */
export interface KafkaRecord {
  topic: string
  partition: number
  offset: number
  /** Milliseconds; who set it is `timestampType`. */
  timestamp: number
  timestampType: 'CreateTime' | 'LogAppendTime' | 'NoTimestampType'
  key: Buffer | null
  value: Buffer | null
  headers: [name: string, value: Buffer | null][]
}

interface Line extends Omit<KafkaRecord, 'key' | 'value' | 'headers'> {
  key: string | null
  value: string | null
  headers: [name: string, value: string | null][]
}

export interface ReadOptions {
  /** Properties for Java's consumer, by Kafka's names: `security.protocol`, `isolation.level`, … */
  config?: Record<string, string>
}

/** One key or value of a `.properties` file. `:`, `=`, `#` and `!` need no escape on the right side. */
function property([name, value]: [string, string]): string {
  return `${name}=${value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`
}

/** The text of a Java `.properties` file. */
export function javaProperties(properties: Record<string, string>): string {
  return Object.entries(properties).map(property).join('')
}

/** Runs `KafkaTool` with `input` on its stdin, and gives the lines that it prints as they come. */
async function* runJava(args: string[], input: string): AsyncGenerator<string> {
  const child = spawn(
    'java',
    // SerialGC and C1: it runs for seconds beside everything else of a test.
    [
      '-Xmx512m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
      '-cp',
      await toolClassPath(),
      'KafkaTool',
      ...args,
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  )
  const exit = once(child, 'exit')
  try {
    let complaints = ''
    child.stderr.on('data', chunk => {
      complaints = (complaints + chunk).slice(-4000)
    })
    child.stdin.on('error', () => {}) // it died early: its exit code says so below
    child.stdin.end(input)
    yield* createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY })
    const [code, signal] = await exit
    if (code !== 0) throw new Error(`KafkaTool ${args.join(' ')} ended with ${code ?? signal}: ${complaints}`)
  } finally {
    // The reader broke off, or we throw.
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  }
}

const bytes = (text: string | null) => (text === null ? null : Buffer.from(text, 'base64'))

/**
 * Reads topics from their beginning to the end that they have now, with Java's consumer, record by record: for
 * more than fits into memory. Records of one partition come in order.
 */
export async function* readRecords(
  bootstrap: string,
  topics: string[],
  { config = {} }: ReadOptions = {},
): AsyncGenerator<KafkaRecord> {
  const properties = javaProperties({
    'bootstrap.servers': bootstrap,
    'default.api.timeout.ms': '20000',
    ...config,
  })
  for await (const text of runJava(['read', ...topics], properties)) {
    const line = JSON.parse(text) as Line
    yield {
      ...line,
      key: bytes(line.key),
      value: bytes(line.value),
      headers: line.headers.map(([name, value]) => [String(bytes(name)), bytes(value)]),
    }
  }
}

/** All records of the topics, from their beginning to the end that they have now, read by Java's consumer. */
export async function readTopics(
  bootstrap: string,
  topics: string[],
  options?: ReadOptions,
): Promise<KafkaRecord[]> {
  const records: KafkaRecord[] = []
  for await (const record of readRecords(bootstrap, topics, options)) records.push(record)
  return records
}

/** For each key the partitions that Java's producer chooses for it, one for each of `counts`. */
export async function javaPartitions(
  keys: readonly (string | Buffer)[],
  counts: readonly number[],
): Promise<number[][]> {
  const input = keys.map(key => `${Buffer.from(key).toString('base64')}\n`).join('')
  const answers: number[][] = []
  for await (const line of runJava(['partition', ...counts.map(String)], input)) {
    answers.push(line.split(' ').map(Number))
  }
  return answers
}

/** Writes certificates, and a private key if there is one, to a PKCS#12 file. */
export async function writeKeystore(file: string, password: string, pem: string): Promise<void> {
  for await (const line of runJava(['keystore', file, password], pem)) throw new Error(line)
}

/** Has the first replica of each partition of the topics elected its leader, as far as it is in sync. */
export async function electPreferredLeaders(bootstrap: string, topics: readonly string[]): Promise<void> {
  for await (const line of runJava(['elect', ...topics], javaProperties({ 'bootstrap.servers': bootstrap })))
    throw new Error(`an election says nothing, but it said: ${line}`)
}
