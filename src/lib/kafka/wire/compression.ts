import { createRequire } from 'node:module'
import zlib from 'node:zlib'

/** Kafka's names of the codecs, as `compression.codec` takes them. */
export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type Codec = (typeof CODECS)[number]

/** What a record batch's attributes say of its records. */
export const CODEC_BITS: Readonly<Record<Codec, number>> = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }

/** Whether this Node.js brings zstd: from 22.15 on. */
export const HAS_ZSTD = 'zstdCompressSync' in zlib

export type Compress = (data: Buffer) => Buffer

/**
 * The function that compresses a batch's records. Synchronous all: a batch of a few dozen events is done
 * sooner than a thread is woken. The codecs' packages are loaded when they are first asked for.
 */
export function compressor(codec: Codec, level?: number): Compress | undefined {
  const require = createRequire(import.meta.url)
  switch (codec) {
    case 'none':
      return undefined
    case 'gzip':
      // Level 1 unless told: for JSON it is three times as fast as 6, and a tenth larger.
      return data => zlib.gzipSync(data, { level: Math.min(level ?? 1, 9) })
    case 'snappy': {
      const { compress } = require('snappyjs') as { compress(data: Buffer): Buffer }
      return data => snappyStream(data, compress)
    }
    case 'lz4': {
      const { compressFrameSync } = require('lz4-napi') as { compressFrameSync(data: Buffer): Buffer }
      return compressFrameSync
    }
    case 'zstd': {
      // Not in the types of Node.js 20.
      const { zstdCompressSync } = zlib as unknown as {
        zstdCompressSync?(data: Buffer, options?: { params: Record<number, number> }): Buffer
      }
      if (!zstdCompressSync) throw new Error(`zstd needs Node.js 22.15 or newer, this is ${process.version}`)
      const ZSTD_C_COMPRESSION_LEVEL = 100
      return data => zstdCompressSync(data, { params: { [ZSTD_C_COMPRESSION_LEVEL]: level ?? 3 } })
    }
  }
}

/** A block of snappy holds at most this much; xerial's reader allocates what a block says. */
const SNAPPY_BLOCK = 32 * 1024
/** `\x82SNAPPY\0`, version 1, readable from version 1 on. */
const SNAPPY_HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])

/** Snappy as Kafka's clients expect it: in the framing of xerial's snappy-java, not of Google's. */
function snappyStream(data: Buffer, compress: Compress): Buffer {
  const parts: Uint8Array[] = [SNAPPY_HEADER]
  for (let start = 0; start < data.length; start += SNAPPY_BLOCK) {
    const block = compress(data.subarray(start, start + SNAPPY_BLOCK))
    const length = Buffer.allocUnsafe(4)
    length.writeInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}
