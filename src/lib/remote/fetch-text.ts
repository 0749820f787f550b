import { readFile, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import fetch from 'node-fetch'

/** The longest answer that is read only to keep its connection (bytes). */
const MAX_DRAINED = 64 * 1024

/** The source answered that it does not have the document. */
export class NotFound {}

/** The source did not answer usably, so that nothing is known of the document. */
export class Unreachable {
  constructor(readonly message: string) {}
}

/** How remote sources are asked. */
export interface FetchOptions {
  /** Timeout of one request (ms). */
  timeoutMs: number
  /** The `User-Agent` of requests. */
  userAgent: string
  /** More request headers. A `host` among them replaces that of the address. */
  headers?: Readonly<Record<string, string>>
}

/** Fetches the text at a path, a `file:` or an `http(s):` URI. A text above `maxBytes` counts as unreachable. */
export async function fetchText(
  address: string,
  maxBytes: number,
  options: FetchOptions,
): Promise<string | NotFound | Unreachable> {
  try {
    return /^https?:/.test(address)
      ? await fromHttp(address, maxBytes, options)
      : await fromFile(address, maxBytes)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR' || code === 'ENAMETOOLONG')
      return new NotFound()
    return new Unreachable(`${address}: ${message}`)
  }
}

async function fromFile(address: string, maxBytes: number): Promise<string | Unreachable | NotFound> {
  const path = address.startsWith('file:') ? fileURLToPath(address) : address
  const { size } = await stat(path)
  if (size > maxBytes) return new Unreachable(`${path} has ${size} bytes, more than ${maxBytes}`)
  return readFile(path, 'utf8')
}

/** Follows no redirects: the configuration names the source, and an answer must not choose another. */
async function fromHttp(
  address: string,
  maxBytes: number,
  { timeoutMs, userAgent, headers }: FetchOptions,
): Promise<string | NotFound | Unreachable> {
  const response = await fetch(address, {
    signal: AbortSignal.timeout(timeoutMs),
    size: maxBytes,
    redirect: 'manual',
    headers: {
      accept: 'application/json, application/yaml, */*;q=0.5',
      'user-agent': userAgent,
      ...lowerCased(headers),
    },
  })
  // Other statuses, such as 206, do not bring the whole document.
  if (response.status === 200) {
    const text = await response.text()
    // HTML is a proxy's error or login page, not the document. YAML may begin with `<<`.
    return /^\s*<(?!<)/.test(text) ? new Unreachable(`${address} answered with a page of HTML`) : text
  }
  await drain(response.body as Readable | null)
  if (response.status === 404 || response.status === 410) return new NotFound()
  const to = response.headers.get('location')
  return new Unreachable(
    `${address} answered ${response.status}${to ? `, a redirect to ${to}, which is not followed` : ''}`,
  )
}

/** Reads the rest of a short answer, so that its connection can be used again. */
async function drain(body: Readable | null): Promise<void> {
  let length = 0
  try {
    for await (const chunk of body ?? []) {
      length += chunk.length
      if (length > MAX_DRAINED) break
    }
  } catch {
    // The status is all that matters.
  }
}

/** With lower-case names, so that a configured header replaces the default one in any spelling. */
function lowerCased(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
