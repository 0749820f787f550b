import type { Transform } from 'node:stream'
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  gunzipSync,
  inflateRawSync,
  inflateSync,
} from 'node:zlib'
import { GateError, quote } from '../errors.js'

/** What has decoded a body. `bytesWritten` are the bytes up to the body's end. */
interface Engine {
  bytesWritten: number
}

interface Decoder {
  create(bytes: Buffer): Transform & Engine
  now(bytes: Buffer, options: { maxOutputLength: number; info: true }): Buffer
}

/** Refuses bytes after the end: they may be damage or a second message, and nobody should have to guess. */
function refuseRest(bytes: Buffer, { bytesWritten }: Engine): void {
  if (bytesWritten < bytes.length) throw new Error(`${bytes.length - bytesWritten} bytes follow its end`)
}

const GZIP: Decoder = { create: () => createGunzip(), now: gunzipSync }
// RFC 9110 8.4.1.2: zlib's format, but some send the bare stream.
const isZlib = (bytes: Buffer) => (bytes[0] ?? 0) % 16 === 8
const DEFLATE: Decoder = {
  create: bytes => (isZlib(bytes) ? createInflate() : createInflateRaw()),
  now: (bytes, options) => (isZlib(bytes) ? inflateSync : inflateRawSync)(bytes, options),
}
const BROTLI: Decoder = { create: () => createBrotliDecompress(), now: brotliDecompressSync }

/** By content coding. Undefined for a coding that needs no decoder. */
const DECODERS = new Map<string, Decoder | undefined>([
  ['identity', undefined],
  ['gzip', GZIP],
  ['x-gzip', GZIP],
  ['br', BROTLI],
  ['deflate', DEFLATE],
])

/** A small body that stays small is decoded at once. It does not wait for large ones, and needs no stream. */
const AT_ONCE = { maxBytes: 4096, maxOutputLength: 64 * 1024, info: true } as const

interface Decoded {
  buffer: Buffer
  engine: Engine
}

/** Undefined if the body is not small. Throws if it is not of this coding. */
export function decodeAtOnce(bytes: Buffer, coding: string): Buffer | undefined {
  if (bytes.length > AT_ONCE.maxBytes) return undefined
  try {
    // With `info` the result is not what its type says.
    const decoder = DECODERS.get(coding) as Decoder
    const { buffer, engine } = decoder.now(bytes, AT_ONCE) as unknown as Decoded
    refuseRest(bytes, engine)
    return buffer
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return undefined
    throw error
  }
}

export function codingOf(sent = 'identity'): string | undefined {
  const coding = sent.trim().toLowerCase()
  if (DECODERS.has(coding)) return DECODERS.get(coding) && coding
  throw new GateError(
    'content_encoding_unsupported',
    `content-encoding ${quote(sent)} is not supported: send gzip, deflate, br or none`,
  )
}

/** Waits for `grow` at each piece, so that many small bodies cannot become large at the same time. */
export async function decode(
  bytes: Buffer,
  coding: string,
  grow: (total: number, added: number) => Promise<void>,
): Promise<Buffer> {
  const stream = DECODERS.get(coding)?.create(bytes) as Transform & Engine
  stream.end(bytes)
  const chunks: Buffer[] = []
  let total = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    total += chunk.length
    await grow(total, chunk.length)
    chunks.push(chunk)
  }
  refuseRest(bytes, stream)
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, total)
}
