import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib'
import type { Ticket } from './admission.js'
import { GateError, quote } from './errors.js'

/** A body that is about to come. */
export interface Arrival {
  /** Bytes that are announced; 0 if nothing is. */
  length: number
  /**
   * Gets the body, without its coding; undefined if the client goes away before its end. `ticket` is asked for
   * room as it comes.
   */
  receive(ticket: Ticket, patience: Patience): Promise<Buffer | undefined>
}

/** How long a body is waited for. */
export interface Patience {
  ms: number
  /** For the whole of it, or for each next piece. */
  each: 'body' | 'piece'
}

/** Pieces of a body that are made one: a Buffer weighs some 200 bytes, and a piece may be of one. */
const MERGED_CHUNKS = 256

/** Gets the bytes of bodies off the wire: knows their type, length and coding, and nothing of what they mean. */
export class Receiver {
  readonly #maxBytes: number
  readonly #contentTypes = new Map<string, boolean>()

  /** `maxBytes` bounds a body as it is sent, and again as it is when decoded. */
  constructor({ maxBytes }: { maxBytes: number }) {
    this.#maxBytes = maxBytes
  }

  /** Looks at a request's headers. Throws a GateError if its body cannot be used, before any of it is read. */
  arrival(req: IncomingMessage, res: ServerResponse): Arrival {
    this.#checkContentType(req.headers['content-type'])
    const decode = decoderOf(req.headers['content-encoding'])
    const length = Number(req.headers['content-length'] ?? 0)
    if (length > this.#maxBytes) throw this.#tooLarge(`${length} bytes`)
    return {
      length,
      receive: (ticket, patience) => {
        // RFC 9110 10.1.1: a client of HTTP/1.0 would take the 100 for its answer.
        if (req.headers.expect !== undefined && req.httpVersion !== '1.0') res.writeContinue()
        const bytes = bytesOf(req, patience, (total, added) => {
          if (total > this.#maxBytes) throw this.#tooLarge('more bytes')
          ticket.addBytes(added)
        })
        return decode ? this.#decoded(bytes, decode, req.headers['content-encoding'], ticket) : bytes
      },
    }
  }

  async #decoded(
    received: Promise<Buffer | undefined>,
    decode: Decoder,
    coding: string | undefined,
    ticket: Ticket,
  ): Promise<Buffer | undefined> {
    const bytes = await received
    if (!bytes) return undefined
    try {
      return await decode(bytes, (total, added) => {
        if (total > this.#maxBytes) throw this.#tooLarge('more bytes when decoded')
        ticket.addBytes(added)
      })
    } catch (error) {
      if (error instanceof GateError) throw error
      throw new GateError('body_malformed', `the body is not ${coding}: ${(error as Error).message}`)
    }
  }

  #checkContentType(type = ''): void {
    let supported = this.#contentTypes.get(type)
    if (supported === undefined) {
      supported = isSupported(type)
      // Clients choose them; the few that are in use come first.
      if (this.#contentTypes.size < 100) this.#contentTypes.set(type, supported)
    }
    if (supported) return
    const sent = type === '' ? 'no content-type' : `content-type ${quote(type)}`
    throw new GateError(
      'content_type_unsupported',
      `${sent} is not supported: send application/json in UTF-8`,
    )
  }

  #tooLarge(size: string): GateError {
    return new GateError(
      'body_too_large',
      `the body has ${size}, the most that is taken is ${this.#maxBytes}`,
    )
  }
}

/** Media types whose body is JSON (CONTRACT 1.1): beacons of plain strings are sent as text. */
const MEDIA_TYPES = new Set(['application/json', 'text/plain', 'application/reports+json'])

function isSupported(contentType: string): boolean {
  const [type = '', ...parameters] = contentType.split(';')
  if (!MEDIA_TYPES.has(type.trim().toLowerCase())) return false
  return parameters.every(parameter => {
    const [name = '', value = ''] = parameter.split('=')
    return name.trim().toLowerCase() !== 'charset' || /^\s*("?)utf-?8\1\s*$/i.test(value)
  })
}

/** Asked before more bytes are kept; throws to refuse them. */
type Grow = (total: number, added: number) => void
type Decoder = (bytes: Buffer, grow: Grow) => Promise<Buffer>

const inflateZlib = decoder(createInflate)
const inflateBare = decoder(createInflateRaw)

/** Decoders by content coding. */
const DECODERS = new Map<string, Decoder | undefined>([
  ['identity', undefined],
  ['gzip', decoder(createGunzip)],
  ['x-gzip', decoder(createGunzip)],
  ['br', decoder(createBrotliDecompress)],
  // RFC 9110 8.4.1.2: zlib's format, but some send the bare stream.
  ['deflate', (bytes, grow) => ((bytes[0] ?? 0) % 16 === 8 ? inflateZlib : inflateBare)(bytes, grow)],
])

/** What comes out is asked room for as it comes, so that many small bodies cannot make a mountain at once. */
function decoder(create: () => Transform): Decoder {
  return (bytes, grow) =>
    new Promise((resolve, reject) => {
      const stream = create()
      const chunks: Buffer[] = []
      let total = 0
      stream.on('data', (chunk: Buffer) => {
        total += chunk.length
        try {
          grow(total, chunk.length)
          chunks.push(chunk)
        } catch (error) {
          stream.destroy(error as Error)
        }
      })
      stream.on('error', reject)
      stream.on('end', () =>
        resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, total)),
      )
      stream.end(bytes)
    })
}

function decoderOf(coding = 'identity'): Decoder | undefined {
  const name = coding.trim().toLowerCase()
  if (DECODERS.has(name)) return DECODERS.get(name)
  throw new GateError(
    'content_encoding_unsupported',
    `content-encoding ${quote(coding)} is not supported: send gzip, deflate, br or none`,
  )
}

/** Reads a body to its end; undefined if the client goes away before. */
function bytesOf(req: IncomingMessage, { ms, each }: Patience, grow: Grow): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let merged = 0
    let total = 0
    const end = () => {
      clearTimeout(timer)
      req.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
    }
    const onData = (chunk: Buffer) => {
      total += chunk.length
      if (each === 'piece') timer.refresh()
      try {
        grow(total, chunk.length)
        chunks.push(chunk)
        if (chunks.length - merged === MERGED_CHUNKS) chunks.push(Buffer.concat(chunks.splice(merged++)))
      } catch (error) {
        end()
        reject(error)
      }
    }
    const onEnd = () => {
      end()
      resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, total))
    }
    const onClose = () => {
      end()
      resolve(undefined)
    }
    const onTimeout = () => {
      end()
      reject(new GateError('body_timeout', `the body did not arrive in time: ${total} bytes of it did`))
    }
    const timer = setTimeout(onTimeout, ms)
    req.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  })
}
