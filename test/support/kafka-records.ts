import type { Identity, RecordData } from '#src/lib/kafka/wire/records.js'

export const IDENTITY: Identity = { producerId: 4711, epoch: 3, sequence: 99 }

export function record(
  value: string | Buffer,
  key: string | null = null,
  timestamp = 1_700_000_000_000,
): RecordData {
  return {
    key: key === null ? null : Buffer.from(key),
    value,
    valueBytes: Buffer.byteLength(value),
    timestamp,
  }
}
