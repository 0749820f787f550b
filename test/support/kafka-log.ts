/**
 * What stands in a broker's log files: which batches a producer made, which no consumer can tell. A consumer
 * gives the same records whatever their codec, and a duplicate that the broker took for a new batch looks like
 * any other record.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/** The header of a record batch, format v2. */
export interface StoredBatch {
  baseOffset: number
  records: number
  /** Bytes on disk, header included. */
  size: number
  codec: (typeof CODECS)[number]
  leaderEpoch: number
  /** −1 without idempotence; so are the epoch and the sequence. */
  producerId: number
  producerEpoch: number
  baseSequence: number
}

const HEADER = 61

function parse(log: Buffer): StoredBatch[] {
  const batches: StoredBatch[] = []
  // The last batch may be half written, and a segment that is preallocated ends in zeros.
  for (let at = 0; at + HEADER <= log.length; ) {
    const size = 12 + log.readInt32BE(at + 8)
    const magic = log.readInt8(at + 16)
    if (magic !== 2 || at + size > log.length) break
    batches.push({
      baseOffset: Number(log.readBigInt64BE(at)),
      size,
      leaderEpoch: log.readInt32BE(at + 12),
      codec: CODECS[log.readInt16BE(at + 21) & 7] ?? 'none',
      producerId: Number(log.readBigInt64BE(at + 43)),
      producerEpoch: log.readInt16BE(at + 51),
      baseSequence: log.readInt32BE(at + 53),
      records: log.readInt32BE(at + 57),
    })
    at += size
  }
  return batches
}

/** The batches of one partition's folder of a broker's `log.dirs`, in order. */
export async function readBatches(logDir: string, topic: string, partition: number): Promise<StoredBatch[]> {
  const folder = join(logDir, `${topic}-${partition}`)
  // Segments are named by their base offset, padded: names sort as numbers.
  const segments = (await readdir(folder)).filter(name => name.endsWith('.log')).sort()
  const logs = await Promise.all(segments.map(name => readFile(join(folder, name))))
  return logs.flatMap(parse)
}
