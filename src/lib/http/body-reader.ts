import type { IncomingMessage, ServerResponse } from 'node:http'
import { GateError, quote } from '../errors.js'
import type { Delivery } from '../eventgate.js'
import { WeightedSemaphore } from '../runtime/semaphore.js'
import { codingOf, decode, decodeAtOnce } from './decoding.js'
import type { Hold } from './hold.js'

/** A body that is about to arrive. */
export interface IncomingBody {
  /** The announced length (bytes). 0 without one. */
  length: number
  /** Reads and decodes the body, and charges `hold` as it arrives. Undefined if the client goes away before its end. */
  receive(hold: Hold, patience: Patience): Promise<Buffer | undefined>
}

/** How long to wait for a body. */
export interface Patience {
  ms: number
  /** Whether that is for the whole body or for each next piece. */
  each: 'body' | 'piece'
}

/** So many pieces of a body are joined: a Buffer takes some 200 bytes, and a piece may have one byte. */
const MERGED_CHUNKS = 256

/** Bodies of one delivery that are decoded at one time. A decoder takes 64 KiB, brotli's as much as the body. */
const MAX_DECODING = 16
const WEIGHT: Readonly<Record<string, number>> = { br: 4 }

/** Reads bodies off the wire. Knows their content type, length and coding, and nothing about their meaning. */
export class BodyReader {
  readonly #maxBytes: number
  readonly #contentTypes = new Map<string, boolean>()
  readonly #decoding: Record<Delivery, WeightedSemaphore> = {
    guaranteed: new WeightedSemaphore(MAX_DECODING),
    hasty: new WeightedSemaphore(MAX_DECODING),
  }

  /** `maxBytes` bounds a body as it is sent, and as it is when decoded. */
  constructor({ maxBytes }: { maxBytes: number }) {
    this.#maxBytes = maxBytes
  }

  /** Checks the headers of a request. Throws a GateError if its body cannot be used, before any of it is read. */
  open(req: IncomingMessage, res: ServerResponse, delivery: Delivery): IncomingBody {
    this.#checkContentType(req.headers['content-type'])
    const coding = codingOf(req.headers['content-encoding'])
    const transfer = req.headers['transfer-encoding'] ?? 'chunked'
    if (transfer.trim().toLowerCase() !== 'chunked')
      throw new GateError(
        'content_encoding_unsupported',
        `transfer-encoding ${quote(transfer)} is not supported: send chunked`,
      )
    const length = Number(req.headers['content-length'] ?? 0)
    if (length > this.#maxBytes) throw this.#tooLarge(`the body of ${length} bytes`)
    return {
      length,
      receive: (hold, patience) => {
        // RFC 9110 10.1.1: a client of HTTP/1.0 would take the 100 for its answer.
        if (req.headers.expect !== undefined && req.httpVersion !== '1.0') res.writeContinue()
        const bytes = bytesOf(req, hold, patience, total => {
          if (total > this.#maxBytes) throw this.#tooLarge('the body')
        })
        return coding ? this.#decoded(bytes, coding, hold, delivery) : bytes
      },
    }
  }

  async #decoded(
    received: Promise<Buffer | undefined>,
    coding: string,
    hold: Hold,
    delivery: Delivery,
  ): Promise<Buffer | undefined> {
    const bytes = await received
    if (!bytes) return undefined
    const check = (total: number) => {
      if (total > this.#maxBytes) throw this.#tooLarge('the decoded body')
    }
    try {
      let decoded = decodeAtOnce(bytes, coding)
      if (decoded) {
        check(decoded.length)
        await hold.grow(decoded.length)
      } else decoded = await this.#decodedInTurn(bytes, coding, hold, delivery, check)
      hold.shrink(bytes.length)
      return decoded
    } catch (error) {
      if (error instanceof GateError) throw error
      throw new GateError('body_malformed', `the body is not ${coding}: ${(error as Error).message}`)
    }
  }

  async #decodedInTurn(
    bytes: Buffer,
    coding: string,
    hold: Hold,
    delivery: Delivery,
    check: (total: number) => void,
  ): Promise<Buffer> {
    const decoding = this.#decoding[delivery]
    const weight = WEIGHT[coding] ?? 1
    const place = decoding.acquire(weight, hold.patience())
    if (place) await place
    try {
      return await decode(bytes, coding, async (total, added) => {
        check(total)
        await hold.grow(added)
      })
    } finally {
      decoding.release(weight)
    }
  }

  #checkContentType(type = ''): void {
    let supported = this.#contentTypes.get(type)
    if (supported === undefined) {
      supported = isSupported(type)
      // Clients choose them, but the few that are in use come first.
      if (this.#contentTypes.size < 100) this.#contentTypes.set(type, supported)
    }
    if (supported) return
    const sent = type === '' ? 'no content-type' : `content-type ${quote(type)}`
    throw new GateError(
      'content_type_unsupported',
      `${sent} is not supported: send application/json in UTF-8`,
    )
  }

  #tooLarge(body: string): GateError {
    return new GateError('body_too_large', `${body} is larger than the limit of ${this.#maxBytes} bytes`)
  }
}

/** Media types of bodies that are JSON (docs/contract.md 1.1). Browsers send beacons of strings as text. */
const MEDIA_TYPES = new Set(['application/json', 'text/plain', 'application/reports+json'])

/** A parameter of a media type. Its value may be quoted, and may then contain a `;`. */
const PARAMETER = /;\s*([^=;\s]*)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^;]*))?/g

function isSupported(contentType: string): boolean {
  if (!MEDIA_TYPES.has(contentType.replace(/;.*/s, '').trim().toLowerCase())) return false
  return [...contentType.matchAll(PARAMETER)].every(([, name = '', value = '']) => {
    if (name.toLowerCase() !== 'charset') return true
    // Some agents quote it as in a shell, or leave it empty, and mean UTF-8.
    return /^(?:utf-?8)?$/i.test(value.trim().replace(/^(["'])(.*)\1$/, '$2'))
  })
}

/** Reads a body to its end. Undefined if the client goes away before. */
function bytesOf(
  req: IncomingMessage,
  hold: Hold,
  { ms, each }: Patience,
  check: (total: number) => void,
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let merged = 0
    let total = 0
    let isPaused = false
    const end = () => {
      clearTimeout(timer)
      hold.refused = undefined
      req.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
    }
    const fail = (error: unknown) => {
      end()
      reject(error)
    }
    const onData = (chunk: Buffer) => {
      total += chunk.length
      if (each === 'piece') timer.refresh()
      try {
        check(total)
        const room = hold.grow(chunk.length)
        if (room) pause(room)
        chunks.push(chunk)
        if (chunks.length - merged === MERGED_CHUNKS) chunks.push(Buffer.concat(chunks.splice(merged++)))
      } catch (error) {
        fail(error)
      }
    }
    const pause = (room: Promise<void>) => {
      isPaused = true
      req.pause()
      room.then(() => {
        isPaused = false
        if (each === 'piece') timer.refresh()
        else if (hold.patience() <= 0) return onTimeout()
        req.resume()
      }, fail)
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
      // It waits for room, which has a timeout of its own.
      if (isPaused) return
      fail(new GateError('body_timeout', `the body did not arrive in time: ${total} bytes of it arrived`))
    }
    const timer = setTimeout(onTimeout, ms)
    hold.refused = fail
    req.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  })
}
