import { readFile, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import fetch from 'node-fetch'

/** A repository was asked and does not have it. */
export class NotFound {}

/** A repository could not be asked: nothing is known of what it has. */
export class Unreachable {
  constructor(readonly message: string) {}
}

const MAX_BYTES = 1024 * 1024

/** How remote repositories are asked. */
export interface Asking {
  /** Patience with one answer, milliseconds. */
  timeoutMs: number
  /** How this service names itself to them. */
  userAgent: string
}

/** Fetches the text at a path, a `file:` or an `http(s):` URI. Larger than 1 MiB counts as unreachable. */
export async function readDocument(
  address: string,
  asking: Asking,
): Promise<string | NotFound | Unreachable> {
  try {
    return /^https?:/.test(address) ? await fromHttp(address, asking) : await fromFile(address)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR' || code === 'ENAMETOOLONG')
      return new NotFound()
    return new Unreachable(`${address}: ${message}`)
  }
}

async function fromFile(address: string): Promise<string | Unreachable | NotFound> {
  const path = address.startsWith('file:') ? fileURLToPath(address) : address
  const { size } = await stat(path)
  if (size > MAX_BYTES)
    return new Unreachable(`${path} has ${size} bytes, more than the ${MAX_BYTES} of a schema`)
  return readFile(path, 'utf8')
}

/** Redirects are not followed: the configuration names the repository, and an answer may not choose another. */
async function fromHttp(
  address: string,
  { timeoutMs, userAgent }: Asking,
): Promise<string | NotFound | Unreachable> {
  const response = await fetch(address, {
    signal: AbortSignal.timeout(timeoutMs),
    size: MAX_BYTES,
    redirect: 'manual',
    headers: { accept: 'application/json, application/yaml, */*;q=0.5', 'user-agent': userAgent },
  })
  if (response.ok) return response.text()
  ;(response.body as Readable | null)?.destroy()
  if (response.status === 404 || response.status === 410) return new NotFound()
  const to = response.headers.get('location')
  return new Unreachable(
    `${address} answered ${response.status}${to ? `, a redirect to ${to}, which is not followed` : ''}`,
  )
}
