import { Misfit } from '../response-codes.js'
import { INIT_PRODUCER_ID, METADATA, PRODUCE } from './protocol.js'

/** The versions of each kind of request that a broker says it speaks. */
export type Spoken = Readonly<Record<number, { minVersion: number; maxVersion: number } | undefined>>

/** The highest version of each kind of request that both sides speak. */
export interface Versions {
  readonly produce: number
  readonly metadata: number
  /** Undefined where the broker gives no producer ids. */
  readonly initProducerId: number | undefined
  /** Brokers before 2.4, which speak no Metadata 9, also tell leader epochs that are out of date. */
  readonly trueEpochs: boolean
}

/**
 * What this client speaks: versions that Kafka 1.0 to 4.x speaks, older than the flexible ones. The answer of Produce 5
 * is the first with today's layout. 6 answers before it pauses a client that is over its quota. 7 takes zstd. 8 names
 * the bad records of a batch. Metadata 7 has leader epochs.
 */
const OURS = [
  { key: PRODUCE, name: 'Produce', min: 5, max: 8 },
  { key: METADATA, name: 'Metadata', min: 5, max: 8 },
  { key: INIT_PRODUCER_ID, name: 'InitProducerId', min: 0, max: 1 },
] as const

/** Throws a Misfit, with the broker's ranges, if events cannot be sent to it. */
export function negotiate(spoken: Spoken, address: string): Versions {
  const [produce, metadata, initProducerId] = OURS.map(({ key, min, max }) => {
    const range = spoken[key]
    const version = Math.min(max, range?.maxVersion ?? -1)
    return range && version >= Math.max(min, range.minVersion) ? version : undefined
  })
  if (produce === undefined || metadata === undefined) throw new Misfit(35, `${address}: ${explain(spoken)}`)
  return { produce, metadata, initProducerId, trueEpochs: (spoken[METADATA]?.maxVersion ?? 0) >= 9 }
}

function explain(spoken: Spoken): string {
  const [produce, metadata] = OURS
  const theirs = [produce, metadata].map(({ key, name }) => {
    const range = spoken[key]
    return range ? `${name} ${range.minVersion} to ${range.maxVersion}` : `no ${name}`
  })
  const isNew = [produce, metadata].some(({ key, max }) => (spoken[key]?.minVersion ?? 0) > max)
  const cause = isNew ? 'it is too new for this version of the service' : 'Kafka 1.0 or newer is needed'
  return (
    `the broker speaks ${theirs.join(' and ')}, the service Produce ${produce.min} to ${produce.max} ` +
    `and Metadata ${metadata.min} to ${metadata.max}: ${cause}`
  )
}
