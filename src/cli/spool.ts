import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import bytes from 'bytes'
import { readConf } from '../lib/config/config.js'
import { readConfigFile } from '../lib/config/file.js'
import type { KafkaSettings } from '../lib/kafka/config.js'
import { Scheduler } from '../lib/runtime/scheduler.js'
import { inspect, type Listing } from '../lib/spool/inspect.js'
import { isLocked } from '../lib/spool/lock.js'
import { RealDisk } from '../lib/spool/real-disk.js'
import { GateSpool } from '../wiring-spool.js'
import { UsageError } from './usage.js'

export interface SpoolOptions {
  /** The command, and the directory. */
  files: readonly string[]
  config?: string | undefined
  json?: boolean | undefined
}

type Print = (text: string) => void

/** `spool ls` and `spool drain`. Returns the exit code. */
export async function spool(
  { files, config, json = false }: SpoolOptions,
  print: Print = text => void process.stdout.write(text),
): Promise<number> {
  const [command, directory, ...others] = files
  if (command !== 'ls' && command !== 'drain')
    throw new UsageError(`spool needs ls or drain${command === undefined ? '' : `, not ${command}`}`)
  if (directory === undefined) throw new UsageError(`spool ${command} needs the directory of a spool`)
  if (others.length > 0) throw new UsageError(`spool ${command} takes one directory`)
  const names = readdirSync(directory)
  const disk = new RealDisk(directory)
  const listing = await inspect(disk)
  if (listing.segments.length === 0 && names.some(name => /^\d+$/.test(name)))
    throw new Error(`${directory} is of several workers: name the folder of one, such as ${directory}/0`)
  const isHeld = await isLocked(directory)
  if (command === 'ls') {
    const size = (await disk.list()).reduce((sum, file) => sum + file.bytes, 0)
    const whole = { directory, bytes: size, isHeld, ...listing }
    print(json ? `${JSON.stringify(whole)}\n` : textOf(whole))
    return 0
  }
  if (config === undefined) throw new UsageError('spool drain needs the configuration of Kafka: -c FILE')
  const { conf } = readConfigFile(readFileSync(config, 'utf8'), process.env).services[0] ?? {}
  const { kafka } = readConf(conf ?? {})
  if (!kafka) throw new UsageError(`${config} has no kafka`)
  if (isHeld) throw new Error(`${directory} is used by another process: end that first`)
  return drain(directory, kafka, print)
}

/** Between two looks at what is left, and between two lines that say so (ms). */
const LOOK_MS = 100
const PROGRESS_MS = 10_000

async function drain(directory: string, kafka: KafkaSettings, print: Print): Promise<number> {
  const counts = { drained: 0, deadLetters: 0, possiblyTwice: 0 }
  const say = (message: string) => void process.stderr.write(`eventgate: ${message}\n`)
  const spool = new GateSpool(
    { directory, maxBytes: Number.MAX_SAFE_INTEGER, afterMs: 0, persistent: true },
    kafka,
    new Scheduler(),
    { spool: undefined, drained: () => {} },
    () => ({
      ...{ spooled: () => {}, synced: () => {}, refused: () => {}, trouble: say, complain: say },
      drained(events) {
        counts.drained += events
      },
      possiblyTwice(events) {
        counts.possiblyTwice += events
      },
      deadLetter(topic, reason) {
        counts.deadLetters++
        say(`an event of topic ${topic} is a dead letter: ${reason}`)
      },
      damaged: (_events, message) => say(message),
    }),
  )
  await spool.start([])
  const { broken } = spool.state
  if (broken !== undefined) throw new Error(broken)
  let isEnded = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      isEnded = true
    })
  let next = PROGRESS_MS
  for (let waited = 0; spool.state.events > 0 && !isEnded; waited += LOOK_MS) {
    if (waited >= next) {
      say(`${spool.state.events} events wait`)
      next += PROGRESS_MS
    }
    await delay(LOOK_MS)
  }
  const left = spool.state.events
  await spool.close(0)
  print(
    `${counts.drained} events are in Kafka, ${counts.possiblyTwice} of them possibly twice; ${counts.deadLetters} are dead letters; ${left} wait\n`,
  )
  return left > 0 ? 1 : 0
}

interface Whole extends Listing {
  directory: string
  bytes: number
  /** Whether a process has it. */
  isHeld: boolean
}

function textOf(whole: Whole): string {
  const { directory, isHeld, waiting, inDoubt, deadLetters, segments, losses } = whole
  const now = Date.now()
  const events = waiting.reduce((sum, unit) => sum + unit.events, 0)
  const holder = isHeld ? 'a process has it' : 'no process has it'
  const parts = [
    `${directory}: ${events} events wait, ${bytes(whole.bytes)}; ${holder}\n`,
    table(
      ['waiting: topic', 'partition', 'events', 'bytes', 'oldest'],
      waiting.map(({ topic, partition, events, bytes: size, oldestAt }) => [
        ...[topic, partitionOf(partition), events, bytes(size)],
        age(oldestAt, now),
      ]),
    ),
    table(
      ['in doubt: topic', 'partition', 'events'],
      inDoubt.map(({ topic, partition, events }) => [topic, partitionOf(partition), events]),
    ),
    table(
      ['dead letters: topic', 'partition', 'events', 'oldest', 'reason'],
      deadLetters.map(({ topic, partition, events, oldestAt, reason }) => [
        ...[topic, partitionOf(partition), events],
        ...[age(oldestAt, now), reason],
      ]),
    ),
    table(
      ['segment', 'bytes', 'waiting'],
      segments.map(({ name, bytes: size, events }) => [name, bytes(size), events]),
    ),
    ...losses.map(loss => `${loss}\n`),
  ]
  return parts.filter(part => part !== '').join('\n')
}

type Cell = string | number | null

/** Columns in which numbers stand on the right; nothing without rows. */
function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  if (rows.length === 0) return ''
  const all = [head, ...rows.map(row => row.map(String))]
  const widths = head.map((_, i) => Math.max(...all.map(row => (row[i] as string).length)))
  const lines = all.map(row =>
    row
      .map((text, i) => {
        const width = widths[i] as number
        return typeof rows[0]?.[i] === 'number' ? text.padStart(width) : text.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

function partitionOf(partition: number): string {
  return partition < 0 ? 'any' : String(partition)
}

/** How long ago, in the largest unit that fits. */
function age(at: number | undefined, now: number): string {
  if (at === undefined) return ''
  const seconds = Math.max(0, Math.round((now - at) / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}
