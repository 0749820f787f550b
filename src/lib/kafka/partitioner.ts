import { crc32 } from 'node:zlib'

/**
 * Kafka's own names of the two ways to choose a partition by its key. Both are random for events without one.
 * Topics with keys are compacted: where a key goes must never change.
 */
export const PARTITIONERS = {
  /** librdkafka's default: CRC-32 of the key. An empty key counts as none. */
  consistent_random: (key: Buffer, partitions: number): number | undefined =>
    key.length === 0 ? undefined : crc32(key) % partitions,
  /** Java's default. */
  murmur2_random: (key: Buffer, partitions: number): number | undefined =>
    (murmur2(key) & 0x7fff_ffff) % partitions,
} as const

/** Which of `partitions` a key goes to; undefined when that is left to chance. */
export type Partitioner = (key: Buffer, partitions: number) => number | undefined

/** MurmurHash2 of 32 bits with the seed of Kafka's Java client. */
export function murmur2(data: Buffer): number {
  const M = 0x5bd1e995
  const length = data.length
  let hash = 0x9747b28c ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    let word = Math.imul(data.readInt32LE(at), M)
    word ^= word >>> 24
    hash = Math.imul(hash, M) ^ Math.imul(word, M)
  }
  if (at < length) {
    for (let i = length - 1; i >= at; i--) hash ^= (data[i] as number) << (8 * (i - at))
    hash = Math.imul(hash, M)
  }
  hash = Math.imul(hash ^ (hash >>> 13), M)
  return hash ^ (hash >>> 15)
}
