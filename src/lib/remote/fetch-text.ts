import { readFile, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import fetch from 'node-fetch'

/** A source was asked and does not have it. */
export class NotFound {}

/** A source could not be asked: nothing is known of what it has. */
export class Unreachable {
  constructor(readonly message: string) {}
}

/** How remote sources are asked. */
export interface Asking {
  /** Patience with one answer, milliseconds. */
  timeoutMs: number
  /** How this service names itself to them. */
  userAgent: string
  /** More request headers; a `host` among them is sent as it is, whatever the address. */
  headers?: Readonly<Record<string, string>>
}

/** Fetches the text at a path, a `file:` or an `http(s):` URI. Larger than `maxBytes` counts as unreachable. */
export async function readText(
  address: string,
  maxBytes: number,
  asking: Asking,
): Promise<string | NotFound | Unreachable> {
  try {
    return /^https?:/.test(address)
      ? await fromHttp(address, maxBytes, asking)
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

/** Redirects are not followed: the configuration names the source, and an answer may not choose another. */
async function fromHttp(
  address: string,
  maxBytes: number,
  { timeoutMs, userAgent, headers }: Asking,
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
  // Anything else, 206 among it, is no whole answer.
  if (response.status === 200) {
    const text = await response.text()
    // A proxy's page of an error, or a login's: it says nothing of what the source has. YAML may begin with `<<`.
    return /^\s*<(?!<)/.test(text) ? new Unreachable(`${address} answered with a page of HTML`) : text
  }
  await drain(response.body as Readable | null)
  if (response.status === 404 || response.status === 410) return new NotFound()
  const to = response.headers.get('location')
  return new Unreachable(
    `${address} answered ${response.status}${to ? `, a redirect to ${to}, which is not followed` : ''}`,
  )
}

/** Reads an answer of no interest to its end, so that its connection is used again; a long one ends with it. */
async function drain(body: Readable | null): Promise<void> {
  let length = 0
  try {
    for await (const chunk of body ?? []) {
      length += chunk.length
      if (length > MAX_DRAINED) break
    }
  } catch {
    // Its status is known all the same.
  }
}

const MAX_DRAINED = 64 * 1024

/** So that a header given in another spelling replaces ours and does not stand beside it. */
function lowerCased(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
