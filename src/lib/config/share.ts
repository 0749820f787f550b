import type { KafkaSettings, ProducerSettings } from '../kafka/config.js'
import { inMiB } from '../runtime/memory-limit.js'
import type { Config } from './config.js'
import type { Options } from './options/options.js'
import { MIN_SPOOL_BYTES } from './options/producers.js'
import type { Problem } from './problems.js'

/**
 * Bounds of the host, of which each worker has a share. Beside them the queues of the Kafka producers are divided.
 * Everything else holds for each worker as it is configured.
 */
export const DIVIDED = [
  'max_connections',
  'max_bytes_in_flight',
  'max_events_in_flight',
  'hasty_max_bytes',
  'hasty_max_events',
  'max_error_events',
] as const satisfies readonly (keyof Config)[]

type Divided = (typeof DIVIDED)[number]

/** A share of these must hold the largest body. */
const HOLD_A_BODY = ['max_bytes_in_flight', 'hasty_max_bytes'] as const satisfies readonly Divided[]

/** The configuration of one of so many workers. */
export function shareOf(config: Config, workers: number): Config {
  if (workers <= 1) return config
  const bounds = DIVIDED.map(name => [name, Math.max(Math.min(1, config[name]), part(config[name], workers))])
  const { kafka, spool } = config
  return Object.freeze({
    ...config,
    ...(Object.fromEntries(bounds) as Pick<Config, Divided>),
    kafka: kafka && shareOfKafka(kafka, workers),
    spool: spool && { ...spool, maxBytes: part(spool.maxBytes, workers) },
  })
}

/** Raises the bounds that are not configured, so that the share of each worker holds the largest body. */
export function raisedFor(
  options: Options,
  conf: Readonly<Record<string, unknown>>,
  workers: number,
): Options {
  if (workers <= 1) return options
  const low = HOLD_A_BODY.filter(name => conf[name] === undefined)
  const raised = low.map(name => [name, Math.max(options[name], workers * options.max_body_size)])
  return { ...options, ...Object.fromEntries(raised) }
}

/** Which bounds are too small to be divided. */
export function tooSmallToShare(config: Config, workers: number): Problem[] {
  if (workers <= 1) return []
  const problems: Problem[] = []
  const check = (
    path: string,
    bound: number,
    least: number,
    reason: string,
    show = (n: number) => `${n}`,
  ) => {
    if (part(bound, workers) >= least) return
    const each = `${show(bound)} for ${workers} workers, ${show(part(bound, workers))} for each`
    problems.push({ path, message: `is ${each}, less than ${reason}: set at least ${show(least * workers)}` })
  }
  for (const name of DIVIDED) {
    if (name === 'max_error_events') continue
    if ((HOLD_A_BODY as readonly string[]).includes(name))
      check(name, config[name], config.max_body_size, 'max_body_size', inMiB)
    else check(name, config[name], 1, 'one')
  }
  const { kafka, spool } = config
  for (const delivery of ['guaranteed', 'hasty'] as const) {
    if (!kafka) continue
    const { maxQueuedMessages, maxQueuedBytes, maxRequestBytes } = kafka[delivery].sender
    const queue = (name: string) => `kafka.conf: queue.buffering.max.${name} of ${delivery} events`
    check(queue('messages'), maxQueuedMessages, 2, 'two')
    check(queue('kbytes'), maxQueuedBytes, maxRequestBytes, 'message.max.bytes', inMiB)
  }
  if (spool) check('spool.max_bytes', spool.maxBytes, MIN_SPOOL_BYTES, 'a spool needs', inMiB)
  return problems
}

function part(bound: number, workers: number): number {
  return Math.floor(bound / workers)
}

function shareOfKafka(kafka: KafkaSettings, workers: number): KafkaSettings {
  const share = ({ cluster, sender }: ProducerSettings): ProducerSettings => ({
    cluster,
    sender: {
      ...sender,
      maxQueuedMessages: part(sender.maxQueuedMessages, workers),
      maxQueuedBytes: part(sender.maxQueuedBytes, workers),
      maxInFlight: sender.maxInFlight && {
        messages: Math.max(1, part(sender.maxInFlight.messages, workers)),
        bytes: Math.max(1, part(sender.maxInFlight.bytes, workers)),
      },
    },
  })
  return { ...kafka, guaranteed: share(kafka.guaranteed), hasty: share(kafka.hasty) }
}
