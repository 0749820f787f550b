import { stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { GateError, quote } from '../errors.js'
import { type FetchOptions, fetchText, NotFound, Unreachable } from '../remote/fetch-text.js'
import { Reachability, type RemoteState } from '../remote/reachability.js'
import type { Note } from '../yaml.js'
import { parse } from './document.js'
import { looksLikeSchema, otherName } from './identity.js'
import type { JsonSchema } from './json-schema.js'
import type { Deadline, Pacer } from './pacer.js'

export interface SourceOptions extends FetchOptions {
  /** Tried in order: `file:///…`, a plain path, or `http(s)://…`; with or without a trailing slash. */
  baseUris: readonly string[]
  /** Added to a URI that is not found as it is written, with its dot. */
  fileExtension: string
}

/** A document as it stands at its address. */
export interface Found {
  schema: JsonSchema
  notes: readonly Note[]
  address: string
}

/** One look for a schema. */
export interface Look {
  /** Whether only files may be read. */
  readonly isLocal: boolean
  /** Whether a remote repository was asked, or would have been. */
  asked: boolean
}

const MAX_DOCUMENT_BYTES = 1024 * 1024

/** The repositories: finds documents by their URIs. */
export class SchemaSources {
  readonly #options: SourceOptions
  readonly #pacer: Pacer
  readonly #warn: (message: string) => void
  readonly #reachability = new Reachability()

  constructor(options: SourceOptions, pacer: Pacer, warn: (message: string) => void) {
    this.#options = options
    this.#pacer = pacer
    this.#warn = warn
  }

  /** The repositories, by their base URIs. */
  get states(): RemoteState[] {
    return this.#reachability.statesOf(this.#options.baseUris)
  }

  /**
   * The first repository that has a document wins. A repository that does not answer may have it, unless a later one
   * does: while one does not answer the next is already asked.
   */
  async find(uri: string, deadline: Deadline, look?: Look): Promise<Found> {
    const places = this.#placesOf(uri)
    const asked: Promise<Found | NotFound | Unreachable>[] = []
    for (const { base, name } of places) {
      const isRemote = /^https?:/.test(join(base, name))
      if (look && isRemote) {
        look.asked = true
        if (look.isLocal) break
      }
      const reading = readLinked(base, name, this.#options, deadline)
      const asking = reading.then(text => this.#received(text, base, name, uri, deadline))
      asked.push(asking)
      // If a file is late, this process is: to ask a registry as well would not help.
      const isThere = await (isRemote ? within(reading, this.#options.timeoutMs / places.length) : reading)
      const found = isThere === undefined ? undefined : await asking
      if (found && !(found instanceof NotFound || found instanceof Unreachable)) break
    }
    let unreachable: Unreachable | undefined
    for (const asking of asked) {
      const found = await asking
      if (found instanceof Unreachable) unreachable ??= found
      else if (!(found instanceof NotFound)) return found
    }
    if (unreachable)
      throw new GateError('schema_unavailable', `schema ${uri} could not be fetched: ${unreachable.message}`)
    throw new GateError('schema_not_found', `schema ${uri} is in none of the repositories`)
  }

  #placesOf(uri: string): { base: string; name: string }[] {
    const isAbsolute = /^https?:/.test(uri)
    const { baseUris, fileExtension } = this.#options
    const names = isAbsolute || /\.(ya?ml|json)$/.test(uri) ? [uri] : [uri, uri + fileExtension]
    return (isAbsolute ? [''] : baseUris).flatMap(base => names.map(name => ({ base, name })))
  }

  /** Parses what one place answered. Rejects with a GateError for a file that is not a schema. */
  async #received(
    text: string | NotFound | Unreachable,
    base: string,
    name: string,
    uri: string,
    deadline: Deadline,
  ): Promise<Found | NotFound | Unreachable> {
    if (typeof text === 'string') await this.#pacer.wait(deadline)
    const found = typeof text === 'string' ? this.#parsed(uri, text, join(base, name)) : text
    if (found instanceof Unreachable) this.#reachability.failed(base, found.message)
    else this.#reachability.answered(base)
    return found
  }

  /** A remote answer that is not this schema may be a proxy's or another API's: the repository counts as unreachable. */
  #parsed(uri: string, text: string, address: string): Found | Unreachable {
    const isRemote = /^https?:/.test(address)
    let found: ReturnType<typeof parse>
    try {
      found = parse(uri, text)
    } catch (error) {
      if (!isRemote) throw error
      return new Unreachable(`${address} did not answer with a schema: ${(error as Error).message}`)
    }
    const { schema } = found
    if (isRemote && !looksLikeSchema(uri, schema))
      return new Unreachable(`${address} did not answer with a schema: the answer has no keyword of one`)
    const name = otherName(uri, schema)
    if (name !== undefined && isRemote)
      return new Unreachable(`${address} answered with another schema, ${quote(name)}`)
    if (name !== undefined) this.#warn(`schema ${uri} calls itself ${quote(name)} in ${address}`)
    return { ...found, address }
  }
}

/** A promise's result; undefined if it takes longer than this (ms). */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>(resolve => {
    timer = setTimeout(resolve, ms, undefined)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/**
 * Reads a document, through one symbolic link such as `1.0.0` to `1.0.0.yaml`. If git cannot make symbolic links it
 * writes the target's name into a file, and HTTP views of repositories do the same.
 */
async function readLinked(
  base: string,
  path: string,
  options: FetchOptions,
  deadline: Deadline,
): ReturnType<typeof fetchText> {
  const read = (path: string) => {
    const timeoutMs = Math.max(1, Math.ceil(deadline.until - performance.now()))
    return fetchText(join(base, path), MAX_DOCUMENT_BYTES, { ...options, timeoutMs })
  }
  const found = await read(path)
  if (typeof found !== 'string' || !/^[\w.~@+-]{1,200}\.(?:ya?ml|json)\s*$/.test(found)) return found
  return read(path.replace(/[^/]*$/, found.trim()))
}

/** When these files were written. Remote addresses are left out. */
export async function stampOf(addresses: readonly string[]): Promise<string> {
  const stamps = addresses.map(async address => {
    if (/^https?:/.test(address)) return ''
    const path = address.startsWith('file:') ? fileURLToPath(address) : address
    return stat(path).then(
      ({ mtimeMs, size }) => `${mtimeMs} ${size}`,
      () => 'gone',
    )
  })
  return (await Promise.all(stamps)).join()
}

function join(base: string, uri: string): string {
  return base === '' ? uri : base.replace(/\/+$/, '') + uri
}
